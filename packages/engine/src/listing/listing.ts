/** A region as it was compiled, for people to read. Plain data. */
export interface RegionListing {
  /** Virtual address at which it is entered. */
  readonly entry: bigint;
  /** Basic blocks, and the guest instructions in them. */
  readonly blocks: number;
  readonly instructions: number;
  /** Bytes of the function's instructions. */
  readonly codeBytes: number;
  /** All of the function, in its order. */
  readonly rows: readonly ListingRow[];
  /** The function in a module of its own, as it was compiled; locals have names in it. */
  readonly module: Uint8Array<ArrayBuffer>;
}

/** A piece of the function and what it was made from. */
export interface ListingRow {
  /** `frame` is around all blocks, `block` at the head or the end of one, `instruction` of one. */
  readonly kind: "frame" | "block" | "instruction";
  /** Virtual address of the block or instruction; that of the entry in the frame. */
  readonly pc: bigint;
  /** The block's title, or the instruction's assembly text; only in its first row. */
  readonly text?: string;
  /** The instruction's bytes, with its text. */
  readonly bytes?: Uint8Array;
  /** Its intermediate representation after all passes; values have numbers per block. */
  readonly ir: readonly string[];
  /** Text of the WebAssembly instructions, indented. */
  readonly wasm: readonly string[];
}
