/**
 * A condition on operands in the words of the manuals: `rd != 0, rd != 2`. Conditions are joined by
 * commas; each compares an operand with a number or with another operand.
 */
export interface Constraint {
  readonly operand: string;
  readonly equal: boolean;
  /** Number, or the name of another operand. */
  readonly other: number | string;
}

const TERM = /^([a-z][A-Za-z0-9]*'?)\s*(==|!=)\s*(-?\d+|[a-z][A-Za-z0-9]*'?)$/;

/** Parse a condition; the empty string is the condition that always holds. */
export function parseConstraints(text: string): readonly Constraint[] {
  const terms = text.split(",").filter((term) => term.trim() !== "");
  return terms.map((term) => {
    const match = TERM.exec(term.trim());
    if (!match) throw new Error(`bad condition: ${term.trim()}`);
    const [, operand, relation, other] = match as unknown as [string, string, string, string];
    const number = Number(other);
    return { operand, equal: relation === "==", other: Number.isNaN(number) ? other : number };
  });
}

/** Compile a condition to a test of an instruction's bits. `extract` finds an operand by name. */
export function compileConstraints(
  constraints: readonly Constraint[],
  extract: (name: string) => (bits: number) => number,
): (bits: number) => boolean {
  const tests = constraints.map(({ operand, equal, other }) => {
    const left = extract(operand);
    if (typeof other === "number") return (bits: number) => (left(bits) === other) === equal;
    const right = extract(other);
    return (bits: number) => (left(bits) === right(bits)) === equal;
  });
  const [first, ...rest] = tests;
  if (first === undefined) return () => true;
  if (rest.length === 0) return first;
  return (bits) => tests.every((test) => test(bits));
}
