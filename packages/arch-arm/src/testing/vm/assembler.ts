import type { Instruction, Operand } from "@hypercraft/engine";
import {
  type Assembled,
  Assembler,
  constant,
  encoded,
  fixed,
  type Labels,
  type Statement,
  type Symbols,
} from "@hypercraft/engine/testing/assembler";
import { CONDITIONS } from "../../isa/registers.js";
import {
  operationName,
  PSTATE_FIELDS,
  systemRegister,
  systemRegisterNumber,
} from "../../isa/system-names.js";
import { armInstructions } from "../../isa/table.js";

export type { Assembled };

/** Register 31 by its names. */
const ZERO_OR_STACK = new Set(["xzr", "wzr", "sp", "wsp"]);
const REGISTER = String.raw`[xw]\d+|[xw]zr`;
const OR_STACK = String.raw`[xw]\d+|w?sp`;
const WIDE = String.raw`x\d+|xzr`;
const NARROW = String.raw`w\d+|wzr`;
const NUMBER = String.raw`#(-?\w+)`;
const WORD = String.raw`(\w+)`;
/** Operands that are names: labels, conditions ... */
const NAMES = new Set(["offset", "system", "cond", "barrier"]);

/** Operands that need not be written: they are zero then. */
const LEFT_OUT = new Set(["sh", "amount", "half", "disp", "sdisp"]);

const instruction = (name: string): Instruction<never> => armInstructions.named(name) as Instruction<never>;

/** GICv3's CPU interface, by op2 within CRn = 12; ICC_PMR_EL1 is elsewhere. */
const GIC_REGISTERS = new Map<string, number>([["ICC_PMR_EL1", systemRegister(3, 0, 4, 6, 0)]]);
for (const [name, op1, crm, op2] of [
  ["ICC_IAR0_EL1", 0, 8, 0],
  ["ICC_EOIR0_EL1", 0, 8, 1],
  ["ICC_BPR0_EL1", 0, 8, 3],
  ["ICC_DIR_EL1", 0, 11, 1],
  ["ICC_RPR_EL1", 0, 11, 3],
  ["ICC_SGI1R_EL1", 0, 11, 5],
  ["ICC_IAR1_EL1", 0, 12, 0],
  ["ICC_EOIR1_EL1", 0, 12, 1],
  ["ICC_HPPIR1_EL1", 0, 12, 2],
  ["ICC_CTLR_EL1", 0, 12, 4],
  ["ICC_SRE_EL1", 0, 12, 5],
  ["ICC_IGRPEN0_EL1", 0, 12, 6],
  ["ICC_IGRPEN1_EL1", 0, 12, 7],
  ["ICH_HCR_EL2", 4, 11, 0],
] as const)
  GIC_REGISTERS.set(name, systemRegister(3, op1, 12, crm, op2));

/** Operations of SYS by name, without op0. */
const OPERATIONS = new Map<string, number>();
for (let number = 0; number < 1 << 14; number++) {
  const name = operationName(number, 31) ?? operationName(number, 0);
  if (name !== undefined) OPERATIONS.set(name.split(",")[0] as string, number);
}

const assembler = new Assembler({
  table: armInstructions as never,
  comment: /\/\/.*/,
  pattern(name, comma) {
    if (/^r\wSp$/.test(name)) return `${comma}(${OR_STACK})`;
    if (/^x\w?Sp$/.test(name)) return String.raw`${comma}(x\d+|sp)`;
    if (/^r[dnma]$/.test(name)) return `${comma}(${REGISTER})`;
    if (/^x[dnmats]\d?$/.test(name)) return `${comma}(${WIDE})`;
    if (/^w[dnmats]\d?$/.test(name)) return `${comma}(${NARROW})`;
    if (/^v[bhsdq]t\d?$/.test(name)) return String.raw`${comma}(${name[1]}\d+)`;
    if (LEFT_OUT.has(name)) return `(?:${comma}(?:lsl )?${NUMBER})?`;
    return `${comma}${NAMES.has(name) ? WORD : NUMBER}`;
  },
  value: operandValue,
  implied(form, texts) {
    const wide = [...texts.values()].some((text) => /^(x\d|xzr|sp)/.test(text)) ? 1 : 0;
    return {
      ...(form.operands.has("sf") && { sf: wide }),
      ...(form.operands.has("n") && { n: wide }),
    };
  },
  pseudo,
});

/**
 * Assemble A64: what `Assembler` knows, `li` of any 64-bit constant, `adr` of a label, conditional branches, MSR
 * (immediate), and system operations by name; `//` begins a comment. System registers are written as in the manual.
 */
export function assemble(source: string, base: number, symbols?: Symbols): Assembled {
  return assembler.assemble(source, base, symbols);
}

function operandValue({ name }: Operand, text: string | undefined, at: number, labels: Labels): number {
  if (text === undefined) return 0;
  if (ZERO_OR_STACK.has(text)) return 31;
  if (/^[rxwv]/.test(name)) return Number(text.slice(1));
  if (name === "system") return systemNumber(text) & 0x7fff;
  if (name === "cond") return condition(text);
  if (name === "barrier") return BARRIERS[text] ?? Number(text);
  const value = labels.get(text) ?? Number(text);
  if (Number.isNaN(value)) throw new Error(`no ${name} ${text}`);
  if (name === "offset") return value - at;
  if (name === "half") return value / 16;
  return name === "sh" ? value / 12 : value;
}

function systemNumber(text: string): number {
  const generic = /^S([23])_(\d)_C(\d+)_C(\d+)_(\d)$/.exec(text)?.slice(1).map(Number);
  if (generic !== undefined) return systemRegister(...(generic as [number, number, number, number, number]));
  return GIC_REGISTERS.get(text) ?? systemRegisterNumber(text);
}

const BARRIERS: Readonly<Record<string, number>> = { sy: 15, st: 14, ld: 13, ish: 11, ishst: 10, ishld: 9 };

function condition(text: string): number {
  const found = CONDITIONS.indexOf(text as (typeof CONDITIONS)[number]);
  if (found < 0) throw new Error(`no condition ${text}`);
  return found;
}

function pseudo(mnemonic: string, operands: string, symbols: Symbols): Statement | undefined {
  const [first = "", second = ""] = operands.split(", ");
  if (mnemonic === "li") return fixed(loadImmediate(first, constant(second, symbols)));
  if (mnemonic.startsWith("b.")) {
    const cond = condition(mnemonic.slice(2));
    const target = (at: number, labels: Labels): number => {
      const label = labels.get(operands);
      if (label === undefined) throw new Error(`no label ${operands}`);
      return label - at;
    };
    return {
      size: 4,
      emit: (at, labels) => encoded(instruction("b.cond"), { cond, offset: target(at, labels) }),
    };
  }
  const field = [...PSTATE_FIELDS.values()].includes(first) ? first.toLowerCase() : undefined;
  if (mnemonic === "msr" && field !== undefined)
    return fixed(encoded(instruction(`msr.${field}`), { crm: Number(second.replace("#", "")) }));
  const operation = OPERATIONS.get(`${mnemonic} ${first}`);
  if (operation === undefined) return undefined;
  const xt = second === "" ? 31 : Number(second.slice(1));
  return fixed(encoded(instruction("sys"), { operation, xt }));
}

/** Any 64-bit constant, by MOVZ and MOVK. */
function loadImmediate(register: string, value: bigint): number[] {
  if (!/^x\d+$/.test(register)) throw new Error(`no register ${register}`);
  const rd = Number(register.slice(1));
  const halves = [0, 1, 2, 3].map((half) => ({ half, imm: Number((value >> BigInt(16 * half)) & 0xffffn) }));
  const parts = halves.filter(({ imm }) => imm !== 0);
  if (parts.length === 0) parts.push({ half: 0, imm: 0 });
  return parts.flatMap(({ half, imm }, index) =>
    encoded(instruction(index === 0 ? "movz" : "movk"), { sf: 1, rd, half, imm }),
  );
}
