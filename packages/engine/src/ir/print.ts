import { modesOf, roundingOf } from "../softfloat/index.js";
import { LANE_OPERATIONS } from "../wasm/vectors.js";
import { type IrBlock, isReturn, type Node } from "./node.js";
import { Op, opInfo, RMW_NAMES } from "./ops.js";
import { SOFT_FUNCTIONS } from "./soft.js";

function constant(n: Node): string {
  const value = n.type === "i32" ? BigInt(n.lo) : (BigInt(n.hi) << 32n) | BigInt(n.lo >>> 0);
  return value < 0n && value > -4096n
    ? value.toString()
    : value < 4096n && value >= 0n
      ? value.toString()
      : `0x${BigInt.asUintN(64, value).toString(16)}`;
}

function at(offset: number, page?: bigint): string {
  if (page !== undefined) return `0x${BigInt.asUintN(64, page + BigInt(offset)).toString(16)}`;
  return offset < 0 ? `page-0x${(-offset).toString(16)}` : `page+0x${offset.toString(16)}`;
}

/** Atomics extend their sign unless they say otherwise. */
function unsigned(n: Node): string {
  return n.signed || n.size >= 8 ? "" : "_u";
}

function environment(lo: number): string {
  const modes = modesOf(lo);
  return `rounding ${roundingOf(lo)}${modes === 0 ? "" : ` modes ${modes}`}`;
}

/** What a node does, without its name and operands. Offsets are shown as addresses if the page's is given. */
export function printNode(n: Node, page?: bigint): string {
  const name = opInfo(n.op).name;
  switch (n.op) {
    case Op.const:
      return `${n.type}.const ${constant(n)}`;
    case Op.pc:
      return `pc ${at(n.lo, page)}`;
    case Op.get:
      return `get ${n.field?.name}`;
    case Op.set:
      return `set ${n.field?.name}`;
    case Op.discard:
      return `discard ${n.field?.name}`;
    case Op.load:
      return `load${n.size * 8}${n.size === 16 ? "" : n.signed ? "_s" : "_u"}${n.lo ? ` +${n.lo}` : ""}`;
    case Op.store:
      return `store${n.size * 8}${n.lo ? ` +${n.lo}` : ""}`;
    case Op.rmw:
      return `rmw${n.size * 8}${unsigned(n)}.${RMW_NAMES[n.sub]}`;
    case Op.cas:
    case Op.loadReserved:
      return `${name}${n.size * 8}${unsigned(n)}`;
    case Op.storeConditional:
      return `${name}${n.size * 8}`;
    case Op.fp:
      return `fp.${SOFT_FUNCTIONS[n.sub]?.name} ${environment(n.lo)}`;
    case Op.call:
    case Op.callIf:
      return `${name} ${n.sub} (0x${n.lo.toString(16)})`;
    case Op.shortcut:
      return `${name} ${n.hi} or ${n.sub} (0x${n.lo.toString(16)})`;
    case Op.poll:
      return `poll ${n.field?.name} ${at(n.lo)}`;
    case Op.jump:
    case Op.dispatch:
      return `${name} ${at(n.lo, page)}`;
    case Op.jumpIndirect:
      return isReturn(n) ? "return" : name;
    case Op.branch:
      return `branch ${at(n.lo, page)} else ${at(n.hi, page)}`;
    case Op.constVector:
      return `v128.const 0x${BigInt.asUintN(128, words(n)).toString(16)}`;
    case Op.shuffle:
      return `${name} ${Array.from(new Uint8Array((n.bytes as Int32Array).buffer)).join(" ")}`;
    default:
      return name in LANE_OPERATIONS ? `${name} ${n.lo}` : name;
  }
}

function words({ bytes }: Node): bigint {
  return Array.from(bytes as Int32Array, (word) => BigInt(word >>> 0)).reduceRight(
    (v, word) => (v << 32n) | word,
  );
}

/** What is to be shown of a block. */
export interface PrintOptions {
  /** Leave out values that nothing with an effect needs. */
  readonly used?: boolean;
  /** Virtual address of the block's page. */
  readonly page?: bigint;
}

/** The nodes of each instruction of a block as text: `v3 = i64.add v1 v2`. */
export function printInstructions(block: IrBlock, { used = false, page }: PrintOptions = {}): string[][] {
  const names = new Map<Node, string>();
  const name = (n: Node): string => names.get(n) ?? "?";
  const instructions: string[][] = block.offsets.map(() => []);
  const shown = used ? neededNodes(block) : new Set(block.nodes);
  for (const n of block.nodes) {
    if (!shown.has(n)) continue;
    const operands = n.op === Op.get ? [] : [n.a, n.b, n.c].filter((x): x is Node => x !== null).map(name);
    const recipe = (n.pending ?? []).map(({ field, value }) => `${field.name} = ${name(value)}`);
    const exit = recipe.length === 0 ? [] : [`[on exit ${recipe.join(", ")}]`];
    const text = [printNode(n, page), ...operands, ...exit].join(" ");
    if (n.type !== "void") names.set(n, `v${names.size}`);
    instructions[n.insn]?.push(n.type === "void" ? text : `${name(n)} = ${text}`);
  }
  return instructions;
}

function neededNodes({ nodes }: IrBlock): Set<Node> {
  const needed = new Set<Node>();
  for (const n of nodes.toReversed()) {
    const isValue = opInfo(n.op).effect === "pure" || n.op === Op.get;
    if (isValue && !needed.has(n)) continue;
    needed.add(n);
    // A get that was forwarded remembers the value; it does not need it.
    const operands = n.op === Op.get ? [] : [n.a, n.b, n.c];
    for (const operand of [...operands, ...(n.pending ?? []).map(({ value }) => value)])
      if (operand !== null) needed.add(operand);
  }
  return needed;
}

/** A block as text, one node a line, under the page offset of each instruction. */
export function printBlock(block: IrBlock): string {
  return printInstructions(block)
    .flatMap((lines, insn) => [
      `# page+0x${block.offsets[insn]?.toString(16)}`,
      ...lines.map((line) => `  ${line}`),
    ])
    .join("\n");
}
