import type { BlockBackEnd } from "./back-end.js";

/** A read-only disk over a `Blob` or `File`, as browsers hand them out. Put an `OverlayDisk` over it to write. */
export class BlobDisk implements BlockBackEnd {
  readonly size: number;
  readonly readOnly = true;
  readonly #blob: Blob;

  constructor(blob: Blob) {
    this.#blob = blob;
    this.size = blob.size;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    const piece = this.#blob.slice(offset, offset + target.length);
    target.set(new Uint8Array(await piece.arrayBuffer()));
  }

  write(): void {
    throw new Error("this disk is read-only");
  }

  flush(): void {}
}
