/** Multi-letter extensions, in the order of the ISA naming conventions (unprivileged manual, chapter 36). */
const EXTENSIONS = [
  "zicbom",
  "zicboz",
  "zicntr",
  "zicsr",
  "zifencei",
  "zihintpause",
  "zba",
  "zbb",
  "zbs",
  "sstc",
  "svadu",
  "svinval",
] as const;

/** What a device tree says about a hart: `riscv,isa`, and the list of `riscv,isa-extensions`. */
export function isaStrings(options: { readonly hypervisor: boolean }): {
  readonly isa: string;
  readonly extensions: readonly string[];
} {
  const letters = ["i", "m", "a", "f", "d", "c", ...(options.hypervisor ? ["h"] : [])];
  return { isa: `rv64${letters.join("")}_${EXTENSIONS.join("_")}`, extensions: [...letters, ...EXTENSIONS] };
}
