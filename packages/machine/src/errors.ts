/** What went wrong, for programs; the message says it for people in one line. */
export type MachineErrorCode =
  /** Two regions, images or interrupt lines claim the same place. */
  | "Overlap"
  /** An address range is not (all) RAM, or a size exceeds a stated limit. */
  | "OutOfRange"
  | "NotAligned"
  | "NoMemory"
  | "InvalidParam"
  | "NotFound"
  /** A file is not of the format it was given as. */
  | "BadImage"
  | "WrongArchitecture"
  /** A file ends before what its header promises. */
  | "Truncated"
  | "NotSupported"
  | "BadDeviceTree"
  | "BadSnapshot";

/** Error of this package. `message` is one line and names the file, region or device concerned. */
export class MachineError extends Error {
  readonly code: MachineErrorCode;

  constructor(code: MachineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "MachineError";
    this.code = code;
  }
}

/** An address as messages show it. */
export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

/** A half-open address range as messages show it. */
export function range(base: number, size: number): string {
  return `${hex(base)}..${hex(base + size)}`;
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const;

/** A byte count as messages show it: the largest unit that divides it exactly, e.g. `512 MiB`. */
export function bytesText(size: number): string {
  let value = size;
  let unit = 0;
  while (value >= 1024 && value % 1024 === 0 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value} ${UNITS[unit]}`;
}
