import type { IrBlock, Node } from "./node.js";
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

function at(offset: number): string {
  return offset < 0 ? `page-0x${(-offset).toString(16)}` : `page+0x${offset.toString(16)}`;
}

/** What a node does, without its name and operands. */
export function printNode(n: Node): string {
  const name = opInfo(n.op).name;
  switch (n.op) {
    case Op.const:
      return `${n.type}.const ${constant(n)}`;
    case Op.pc:
      return `pc ${at(n.lo)}`;
    case Op.get:
      return `get ${n.field?.name}`;
    case Op.set:
      return `set ${n.field?.name}`;
    case Op.load:
      return `load${n.size * 8}_${n.signed ? "s" : "u"}${n.lo ? ` +${n.lo}` : ""}`;
    case Op.store:
      return `store${n.size * 8}${n.lo ? ` +${n.lo}` : ""}`;
    case Op.rmw:
      return `rmw${n.size * 8}.${RMW_NAMES[n.sub]}`;
    case Op.fp:
      return `fp.${SOFT_FUNCTIONS[n.sub]?.name} rounding ${n.lo}`;
    case Op.call:
    case Op.callIf:
      return `${name} ${n.sub} (0x${n.lo.toString(16)})`;
    case Op.poll:
      return `poll ${n.field?.name} ${at(n.lo)}`;
    case Op.jump:
    case Op.dispatch:
      return `${name} ${at(n.lo)}`;
    case Op.branch:
      return `branch ${at(n.lo)} else ${at(n.hi)}`;
    default:
      return name;
  }
}

/** A block as text, one node a line: `v3 = i64.add v1 v2`. */
export function printBlock(block: IrBlock): string {
  const names = new Map<Node, string>();
  const lines: string[] = [];
  let insn = -1;
  for (const n of block.nodes) {
    if (n.insn !== insn) {
      insn = n.insn;
      lines.push(`# page+0x${block.offsets[insn]?.toString(16)}`);
    }
    const operands =
      n.op === Op.get
        ? []
        : [n.a, n.b, n.c].filter((x): x is Node => x !== null).map((x) => names.get(x) ?? "?");
    const text = [printNode(n), ...operands].join(" ");
    if (n.type === "void") lines.push(`  ${text}`);
    else {
      names.set(n, `v${names.size}`);
      lines.push(`  ${names.get(n)} = ${text}`);
    }
  }
  return lines.join("\n");
}
