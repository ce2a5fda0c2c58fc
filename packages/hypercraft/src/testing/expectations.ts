import { type HyperErrorCode, isHyperError } from "../error.js";

/** What a conformance case throws when an architecture does not keep a contract. */
export class ConformanceError extends Error {
  override readonly name = "ConformanceError";
}

function show(value: unknown): string {
  return (
    JSON.stringify(value, (_key, part) => (typeof part === "bigint" ? `0x${part.toString(16)}n` : part)) ??
    "undefined"
  );
}

/** Throws ConformanceError unless the condition holds. */
export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new ConformanceError(what);
}

/** Compares plain data; bigint and number differ. */
export function checkEqual(actual: unknown, expected: unknown, what: string): void {
  check(show(actual) === show(expected), `${what}: expected ${show(expected)}, got ${show(actual)}`);
}

/** Expects a HyperError with the code. */
export function checkThrows(code: HyperErrorCode, what: string, action: () => unknown): void {
  try {
    action();
  } catch (error) {
    check(isHyperError(error, code), `${what}: expected HyperError ${code}, got ${String(error)}`);
    return;
  }
  throw new ConformanceError(`${what}: expected HyperError ${code}, nothing was thrown`);
}
