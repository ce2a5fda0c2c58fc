import type { Node } from "../ir/node.js";
import { Op } from "../ir/ops.js";
import type { Field } from "../state/layout.js";
import type { FloatForm } from "./float.js";
import { signForm } from "./sign-forms.js";

/** What of a region is kept as f64, not as the bit pattern in an i64. */
export interface FloatLocals {
  readonly fields: ReadonlySet<Field>;
  /** Loads. */
  readonly nodes: ReadonlySet<Node>;
}

export const NO_FLOAT_LOCALS: FloatLocals = { fields: new Set(), nodes: new Set() };

/**
 * State fields mostly used by floating-point operations, and loads into them. Locals, loads and stores of
 * f64 keep every bit; so this only decides about speed (crossing between the register files of the host).
 */
export function chooseFloatLocals(
  blocks: readonly (readonly Node[])[],
  form: (n: Node) => FloatForm,
): FloatLocals {
  const votes = new Map<Field, number>();
  const vote = (n: Node | null, weight: number): void => {
    if (n === null) return;
    if (n.op === Op.get && n.field?.type === "i64") {
      votes.set(n.field, (votes.get(n.field) ?? 0) + weight);
      return;
    }
    const sign = signForm(n, () => true);
    if (sign === undefined) return;
    vote(sign.a, weight);
    if (sign.kind === "copysign") vote(sign.b, weight);
  };
  for (const nodes of blocks) {
    for (const n of nodes) {
      const operands = [n.a, n.b, n.c];
      if (n.op === Op.fp) {
        form(n).args.forEach((type, i) => {
          vote(operands[i] as Node, type === "f64" ? 2 : -1);
        });
      } else if (n.op === Op.set) {
        vote(n.a, 0);
        const field = n.field as Field;
        if (field.type === "i64") votes.set(field, (votes.get(field) ?? 0) + worth(n.a as Node, form));
      } else if (n.op === Op.store) {
        vote(n.a, -1);
        if (n.size !== 8) vote(n.b, -1);
      } else if (n.op !== Op.get && signForm(n, () => true) === undefined) {
        for (const operand of operands) if (operand?.op === Op.get) vote(operand, -1);
      }
    }
  }
  const fields = new Set([...votes].filter(([, sum]) => sum > 0).map(([field]) => field));
  const loads = new Set<Node>();
  for (const nodes of blocks) {
    for (const n of nodes) {
      const value = n.op === Op.set && fields.has(n.field as Field) ? n.a : null;
      if (value?.op === Op.load && value.size === 8) loads.add(value);
    }
  }
  return { fields, nodes: loads };
}

/** How much a value written to a field speaks for f64. */
function worth(value: Node, form: (n: Node) => FloatForm): number {
  if (value.op === Op.fp) return form(value).result === "f64" ? 2 : -2;
  const neutral = value.op === Op.load || value.op === Op.get || value.op === Op.const;
  return neutral || signForm(value, () => true) !== undefined ? 0 : -2;
}
