/**
 * Every error code, with what it means here. The names are those of hcHyper's `HyperError`, with the later
 * `Disabled`, and the two of the rvm crate that have no counterpart among them (`AlreadyExists`,
 * `ResourceBusy`); rvm's `OutOfMemory` is `NoMemory` and its `Unsupported` is `NotSupported`.
 */
export const HYPER_ERROR_MEANINGS = {
  Internal: "an invariant of the hypervisor itself does not hold: a bug, never the guest's doing",
  NotSupported: "the CPU model, the board or this version cannot do what was asked",
  NoMemory: "no free frame, or no free run of frames, is left in host memory",
  InvalidParam: "an argument has a value that the operation can never accept",
  InvalidInstruction: "an instruction was decoded but is not one that may stand here",
  OutOfRange: "an id, an index or an address lies outside what exists",
  BadState: "the operation is not allowed in the state the object is in",
  NotFound: "nothing is registered under the given id, name or address",
  FetchFault: "the guest instruction that was asked for cannot be fetched",
  PageFault: "a guest address is not mapped, or not for this access",
  DecodeError: "bytes are not an instruction, or not a message, of the given format",
  Disabled: "the virtualization hardware exists but is switched off",
  AlreadyExists: "the slot, the name or the address range is taken",
  ResourceBusy: "the resource exists once and is in use",
} as const;

/** Says what kind of mistake or shortage an error is; programs switch on this, people read the message. */
export type HyperErrorCode = keyof typeof HYPER_ERROR_MEANINGS;

/** All codes, in the order of the table. */
export const HYPER_ERROR_CODES = Object.keys(HYPER_ERROR_MEANINGS) as readonly HyperErrorCode[];

/** The one error class of the hypervisor's contracts. The message is one line that names what was wrong. */
export class HyperError extends Error {
  override readonly name = "HyperError";
  readonly code: HyperErrorCode;

  constructor(code: HyperErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Whether `error` is a `HyperError`, of the given code if one is given. Reads the name instead of the class,
 * so that two copies of this package in one process understand each other.
 */
export function isHyperError(error: unknown, code?: HyperErrorCode): error is HyperError {
  if (!(error instanceof Error) || error.name !== "HyperError") return false;
  const actual = (error as HyperError).code;
  return code === undefined ? actual in HYPER_ERROR_MEANINGS : actual === code;
}
