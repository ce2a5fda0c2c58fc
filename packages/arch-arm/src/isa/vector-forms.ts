/** Sizes of lanes that an instruction has, by the letters of the assembler. */
export type Sizes = "bhsd" | "bhs" | "bh" | "b" | "hs" | "d";

/**
 * What an encoding with those sizes in the field `vsize` allows: as a vector, where a single doubleword would be a scalar,
 * and as a scalar.
 */
export const ARRANGEMENTS: Readonly<Record<Sizes, { readonly vector: string; readonly scalar: string }>> = {
  bhsd: { vector: "arranged == 1", scalar: "" },
  bhs: { vector: "vsize != 3", scalar: "vsize != 3" },
  bh: { vector: "vsize != 2, vsize != 3", scalar: "vsize != 2, vsize != 3" },
  b: { vector: "vsize == 0", scalar: "vsize == 0" },
  hs: { vector: "vsize != 0, vsize != 3", scalar: "vsize != 0, vsize != 3" },
  d: { vector: "arranged == 1, vsize == 3", scalar: "vsize == 3" },
};
