// What the benchmark program prints on the guest's console (guests/bench/common/main.c).

export interface ProgramResult {
  readonly name: string;
  readonly milliseconds: number;
  /** 16 hexadecimal digits that depend on everything the program computed. */
  readonly check: string;
}

/** The line that ends a program's run, whatever its result. */
export const RESULT_LINE = /^BENCH(?:-ERROR)? [^\r\n]*\r?\n/m;

/**
 * The result in a piece of the console's text, between the kernel's messages and the shell's echo.
 * @throws Error when the program failed, when another one ran, or when there is no result
 */
export function parseResult(text: string, name: string): ProgramResult {
  const error = /^BENCH-ERROR ([^\r\n]*)/m.exec(text);
  if (error !== null) throw new Error(`${name} failed in the guest: ${error[1]}`);
  const match = /^BENCH (\w+) (\d+) ([0-9a-f]{16})\r?\n/m.exec(text);
  if (match === null) throw new Error(`${name} gave no result: ${JSON.stringify(text.slice(-500))}`);
  const [, ran = "", nanoseconds, check = ""] = match;
  if (ran !== name) throw new Error(`the guest ran ${ran} instead of ${name}`);
  return { name, milliseconds: Number(nanoseconds) / 1e6, check };
}
