import { LANE_OPERATIONS, VECTOR_OPERATION_LIST } from "../wasm/vectors.js";
import type { IrBlock, Node } from "./node.js";
import { type IrType, Op, opCode, opInfo } from "./ops.js";
import { printNode } from "./print.js";
import { SOFT_FUNCTIONS } from "./soft.js";

/** Operand types of operations that are not told by their name. */
const OPERANDS: Record<number, readonly IrType[]> = {
  [Op.select]: ["i32"],
  [Op.wrap]: ["i64"],
  [Op.extendS]: ["i32"],
  [Op.extendU]: ["i32"],
  [Op.branch]: ["i32"],
  [Op.jumpIndirect]: ["i64"],
  [Op.load]: ["i64"],
  [Op.store]: ["i64", "i64"],
  [Op.probe]: ["i64"],
  [Op.rmw]: ["i64", "i64"],
  [Op.cas]: ["i64", "i64", "i64"],
  [Op.loadReserved]: ["i64"],
  [Op.storeConditional]: ["i64", "i64"],
  [Op.callIf]: ["i32", "i64"],
  [Op.selectContext]: ["i32"],
  [Op.selectCode]: ["i32"],
  [Op.shuffle]: ["v128", "v128"],
};

for (const [name, { operands }] of VECTOR_OPERATION_LIST)
  OPERANDS[opCode(name)] = operands as readonly IrType[];
for (const [name, { operands }] of Object.entries(LANE_OPERATIONS)) OPERANDS[opCode(name)] = operands;

/** The same of accesses of 16 bytes. */
const WIDE_OPERANDS: Record<number, readonly IrType[]> = {
  [Op.store]: ["i64", "v128"],
  [Op.cas]: ["i64", "v128", "v128"],
  [Op.storeConditional]: ["i64", "v128"],
};

/** What must not happen twice, as it would if the hot tier left an instruction behind it to do it again. */
const WRITES: ReadonlySet<number> = new Set([
  Op.set,
  Op.store,
  Op.rmw,
  Op.cas,
  Op.loadReserved,
  Op.storeConditional,
  Op.fp,
  Op.call,
  Op.selectContext,
  Op.selectCode,
]);

/**
 * Check that a block is well formed: operands come before their use and have the right type, exactly one
 * end stands last, and every point where the block can be left has a complete exit recipe. Throws an
 * Error naming the first violation.
 */
export function verify(block: IrBlock): void {
  const seen = new Set<Node>();
  let lastInsn = 0;
  block.nodes.forEach((n, i) => {
    const fail = (why: string): never => {
      throw new Error(`IR node ${i} (${printNode(n)}): ${why}`);
    };
    const info = opInfo(n.op);
    if (info.effect === "end" && i !== block.nodes.length - 1) fail("an end must stand last");
    for (const operand of [n.a, n.b, n.c])
      if (operand !== null && !seen.has(operand)) fail("an operand is not defined before its use");
    checkTypes(n, fail);
    const repeats = n.op === Op.callIf || n.op === Op.shortcut;
    // In front of a shortcut, what is written can be written again.
    const again = (o: Node) => n.op === Op.shortcut && (o.op === Op.store || o.op === Op.set);
    const writes = (o: Node) => WRITES.has(o.op) && !again(o);
    if (repeats && block.nodes.some((o, k) => k < i && o.insn === n.insn && writes(o)))
      fail("its instruction has written something already");
    if (n.op === Op.selectCode && block.nodes.at(-1)?.op !== Op.jumpIndirect)
      fail("no indirect jump follows");
    if (n.insn < lastInsn || n.insn >= block.offsets.length) fail("instruction index out of order");
    lastInsn = n.insn;
    for (const p of n.pending ?? []) {
      if (info.effect !== "exit") fail("only exits have recipes");
      if (p.field.type === "v128") fail("values of v128 are not delayed");
      if (!seen.has(p.value)) fail(`the recipe for ${p.field.name} uses a value not defined yet`);
    }
    seen.add(n);
  });
  const last = block.nodes.at(-1);
  if (last === undefined || opInfo(last.op).effect !== "end") throw new Error("the block has no end");
}

function checkTypes(n: Node, fail: (why: string) => never): void {
  const info = opInfo(n.op);
  if (n.op === Op.fp) {
    const fn = SOFT_FUNCTIONS[n.sub];
    [n.a, n.b, n.c].forEach((operand, i) => {
      if (operand?.type !== fn?.args[i]) fail(`argument ${i} of ${fn?.name} has type ${operand?.type}`);
    });
    return;
  }
  if (n.op === Op.select && (n.b?.type !== n.c?.type || n.b?.type !== n.type))
    fail("the values to select from differ in type");
  if (n.op === Op.set && n.a?.type !== n.field?.type) fail(`${n.field?.name} is ${n.field?.type}`);
  if ((n.op === Op.constVector || n.op === Op.shuffle) && n.bytes?.length !== 4)
    fail("its immediate is missing");
  if (n.op === Op.load && n.type !== (n.size === 16 ? "v128" : "i64")) fail(`it loads ${n.type}`);
  const named = /^(i32|i64)\.(?!wrap|extend_i32)/.exec(info.name)?.[1] as IrType | undefined;
  const wide = n.size === 16 ? WIDE_OPERANDS[n.op] : undefined;
  const expected =
    wide ?? OPERANDS[n.op] ?? (named === undefined ? [] : Array<IrType>(info.args).fill(named));
  [n.a, n.b, n.c].forEach((operand, i) => {
    const type = expected[i];
    if (type === undefined) return;
    if (operand === null) fail(`operand ${i} is missing`);
    else if (operand.type !== type) fail(`operand ${i} is ${operand.type}, not ${type}`);
  });
}
