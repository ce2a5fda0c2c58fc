/** What went wrong while listing, pulling or finding a guest; every message is one line for a person. */
export type GuestErrorCode =
  | "UnknownGuest"
  | "NotPulled"
  | "Busy"
  | "BadMirror"
  | "Offline"
  | "HttpStatus"
  | "Truncated"
  | "ChecksumMismatch"
  | "BadSignature"
  | "BadRelease"
  | "MissingPackage"
  | "BadArchive"
  | "BadKernel"
  | "NoSpace";

/** The one error class of the guest-image puller. */
export class GuestError extends Error {
  readonly code: GuestErrorCode;

  constructor(code: GuestErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "GuestError";
    this.code = code;
  }
}
