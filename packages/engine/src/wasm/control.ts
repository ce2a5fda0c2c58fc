import { VALTYPE_BYTE, type ValType } from "./opcodes.js";
import { type Expr, expr, type Label, operand, type Sink, type Val } from "./ops.js";

/** Structured control flow (WebAssembly core spec, section 5.4.1). */

function writeAll(sink: Sink, body: readonly Expr[]): void {
  for (const statement of body) statement.write(sink);
}

function blockType(type: ValType | "void"): number {
  return type === "void" ? 0x40 : VALTYPE_BYTE[type];
}

function depthOf(sink: Sink, label: Label): number {
  const index = sink.labels.lastIndexOf(label);
  if (index < 0) throw new Error("branch to a label that does not enclose it");
  return sink.labels.length - 1 - index;
}

function labelled(
  kind: "block" | "loop",
  opcode: number,
  type: ValType | "void",
  make: (label: Label) => readonly Expr[],
): Expr {
  const label: Label = { kind };
  const body = make(label);
  return expr(type, (sink) => {
    sink.out.u8(opcode);
    sink.out.u8(blockType(type));
    sink.labels.push(label);
    writeAll(sink, body);
    sink.labels.pop();
    sink.out.u8(0x0b);
  });
}

/** `block`: branching to its label leaves it. */
export function block(make: (label: Label) => readonly Expr[]): Expr {
  return labelled("block", 0x02, "void", make);
}

/** `block` with a result: the last expression's value, or the value given to `br`. */
export function blockOf(type: ValType, make: (label: Label) => readonly Expr[]): Expr {
  return labelled("block", 0x02, type, make);
}

/** `loop`: branching to its label repeats it; falling through leaves it. */
export function loop(make: (label: Label) => readonly Expr[]): Expr {
  return labelled("loop", 0x03, "void", make);
}

function conditional(
  type: ValType | "void",
  condition: Val,
  then: readonly Expr[],
  otherwise: readonly Expr[] | undefined,
): Expr {
  const test = operand("i32", condition);
  const label: Label = { kind: "if" };
  return expr(type, (sink) => {
    test.write(sink);
    sink.out.u8(0x04);
    sink.out.u8(blockType(type));
    sink.labels.push(label);
    writeAll(sink, then);
    if (otherwise !== undefined) {
      sink.out.u8(0x05);
      writeAll(sink, otherwise);
    }
    sink.labels.pop();
    sink.out.u8(0x0b);
  });
}

/** `if` statement. */
export function when(condition: Val, then: readonly Expr[], otherwise?: readonly Expr[]): Expr {
  return conditional("void", condition, then, otherwise);
}

/** `if` with a result of `type`; each branch ends with an expression of that type. */
export function either(
  type: ValType,
  condition: Val,
  then: readonly Expr[],
  otherwise: readonly Expr[],
): Expr {
  return conditional(type, condition, then, otherwise);
}

export function br(label: Label, value?: Expr): Expr {
  return expr("void", (sink) => {
    value?.write(sink);
    sink.out.u8(0x0c);
    sink.out.u32(depthOf(sink, label));
  });
}

export function brIf(label: Label, condition: Val): Expr {
  const test = operand("i32", condition);
  return expr("void", (sink) => {
    test.write(sink);
    sink.out.u8(0x0d);
    sink.out.u32(depthOf(sink, label));
  });
}

export function brTable(labels: readonly Label[], fallback: Label, index: Val): Expr {
  const selector = operand("i32", index);
  return expr("void", (sink) => {
    selector.write(sink);
    sink.out.u8(0x0e);
    sink.out.u32(labels.length);
    for (const label of labels) sink.out.u32(depthOf(sink, label));
    sink.out.u32(depthOf(sink, fallback));
  });
}

/**
 * One of some statements, by its index, which has to be in range; each has to leave by itself. Nested blocks, of which the
 * innermost holds the `br_table`: what follows block i is case i.
 */
export function switchOn(index: Val, cases: readonly Expr[]): Expr {
  const labels: Label[] = [];
  const build = (i: number): Expr => {
    if (i < 0) return brTable(labels, labels[0] as Label, index);
    const inner = block((label) => {
      labels[i] = label;
      return [build(i - 1)];
    });
    return seq(inner, cases[i] as Expr);
  };
  return build(cases.length - 1);
}

export function ret(value?: Expr): Expr {
  return expr("void", (sink) => {
    value?.write(sink);
    sink.out.u8(0x0f);
  });
}

export function unreachable(): Expr {
  return expr("void", (sink) => sink.out.u8(0x00));
}

/** `select`: both values are computed. */
export function select(type: ValType, condition: Val, ifTrue: Val, ifFalse: Val): Expr {
  const a = operand(type, ifTrue);
  const b = operand(type, ifFalse);
  const test = operand("i32", condition);
  return expr(type, (sink) => {
    a.write(sink);
    b.write(sink);
    test.write(sink);
    sink.out.u8(0x1b);
  });
}

export function drop(value: Expr): Expr {
  return expr("void", (sink) => {
    value.write(sink);
    sink.out.u8(0x1a);
  });
}

/** Several statements as one. */
export function seq(...body: readonly Expr[]): Expr {
  return expr("void", (sink) => writeAll(sink, body));
}
