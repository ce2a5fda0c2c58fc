/**
 * Why a page-table operation was refused:
 *
 * - `NoMemory`: the frame interface has no frame left.
 * - `NotAligned`: an address or size is not a multiple of the page size it is used with.
 * - `NotMapped`: nothing is mapped there.
 * - `AlreadyMapped`: something is mapped there.
 * - `MappedToHugePage`: a larger page covers the place, and the operation would have to split it.
 * - `OutOfRange`: the format cannot translate from or to such an address.
 * - `InvalidFlags`: none of READ, WRITE and EXECUTE, or unknown flags.
 * - `InvalidPageSize`: the format has no page of that size.
 * - `Disposed`: the table was given back.
 */
export type PagingErrorCode =
  | "NoMemory"
  | "NotAligned"
  | "NotMapped"
  | "AlreadyMapped"
  | "MappedToHugePage"
  | "OutOfRange"
  | "InvalidFlags"
  | "InvalidPageSize"
  | "Disposed";

/** A refused page-table operation; the table is as it was before. */
export class PagingError extends Error {
  override readonly name = "PagingError";
  readonly code: PagingErrorCode;

  constructor(code: PagingErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
