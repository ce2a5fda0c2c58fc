// The programs of guests/bench, in the order of the tables.

export type Group = "compute" | "system";

export interface Program {
  readonly name: string;
  readonly group: Group;
}

const group = (group: Group, names: string): Program[] => names.split(" ").map((name) => ({ name, group }));

export const PROGRAMS: readonly Program[] = [
  ...group(
    "compute",
    "xorshift divide sha256 crc sieve hash chase copy fib indirect sort tree bytecode strings",
  ),
  ...group("compute", "words bytes saxpy matmul nbody mandelbrot"),
  ...group("system", "getppid signal pipe fork exec mmap faults files"),
];
