import { Prng } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { USER_64 } from "../cpu/mode.js";
import { haveLlvm, llvmDisassemble } from "../testing/llvm.js";
import { randomEncoding } from "../testing/random-encodings.js";
import { disassemble } from "./lift.js";

// Our decoder and texts against the LLVM disassembler: instructions of the table with random operands and prefixes, and
// neighbours of them, many of which are none. More with DISASSEMBLY_CASES and DISASSEMBLY_SEED.

const CASES = Number(process.env.DISASSEMBLY_CASES ?? 6000);
const SEED = Number(process.env.DISASSEMBLY_SEED ?? 1);

type Bits = 16 | 32 | 64;

/** Numbers of one spelling: small negative ones are without a sign in 8 or 16 bits; in 16-bit code there are 16. */
function spelled(number: string, bits: Bits): string {
  const wide = number.startsWith("-") ? -BigInt(number.slice(1)) : BigInt(number);
  const value = BigInt.asIntN(Math.min(bits, 32), wide);
  if (value >= 0n || value < -0x8000n) return value.toString();
  return BigInt.asUintN(value < -128n ? 16 : 8, value).toString();
}

const STRINGS = /^(rep|repne|repe|)\s*(ins|outs|movs|cmps|stos|lods|scas)[bwdq]\b(?!.*mm)/;

/** What both of us write, in one spelling. */
function normalised(text: string, bits: Bits): string {
  let t = text
    .replace(/\s*(#|<(?!unknown)).*$/, "")
    .replace(/\s+/g, " ")
    .trim()
    .toLowerCase();
  if (/^(<unknown>|\(bad\))/.test(t)) return "bad";
  t = t.replace(/^(data16|addr32|addr16|rex64|lock|xacquire|xrelease|notrack|[c-gs]s) /g, "");
  t = t.replace(STRINGS, "$1 $2").trim();
  // Repetition where it means nothing, and what it means of branches and locks.
  if (!/^rep\w* (ins|outs|movs|cmps|stos|lods|scas) /.test(t)) t = t.replace(/^rep(ne|e|)? /, "");
  t = t.replace(/^repe? (ins|outs|movs|stos|lods)/, "rep $1").replace(/^rep (cmps|scas)/, "repe $1");
  t = t.replace(/[cdes]s:(?=\[)/g, (segment) => (bits === 64 && /^(c|d|e|s)s/.test(segment) ? "" : segment));
  // Indexes that are none.
  t = t
    .replace(/ ?\+? ?(\d\*)?[er]iz/g, "")
    .replace("[ + ", "[")
    .replace("[ - ", "[-");
  t = t.replace(/-?\b(0x[0-9a-f]+|\d+)\b/g, (number) => spelled(number, bits));
  // Comparisons have names of their own for some predicates.
  for (const [i, name] of ["eq", "lt", "le", "unord", "neq", "nlt", "nle", "ord"].entries())
    t = t.replace(new RegExp(`^cmp${name}([ps][sd]) (.*)$`), `cmp$1 $2, ${i}`);
  t = t.replace(/^movabs /, "mov ").replace(/(fword|tbyte|xmmword|byte|word|dword|qword) ptr /g, "");
  t = t.replace(/^(call|jmp) (\d+):(-?\d+)$/, "$1 $2, $3").replace(/^(s[gi]dt|l[gi]dt)[dw] /, "$1 ");
  t = t.replace(/^(xchg ([er]?ax), \2|pause)$/, "nop");
  // Waiting is an instruction of its own; comparisons that pop are spelled in two ways.
  t = t.replace(/^wait$/, "fwait").replace(/^f(u?)compi /, "f$1comip ");
  // Shifts by one.
  t = t.replace(/^((?:r[oc]|sh|sa)[lr] [^,]*)$/, "$1, 1");
  // Either operand may come first.
  const exchange = /^(xchg|test) ([^,]+), ([^,]+)$/.exec(t);
  if (exchange) t = `${exchange[1]} ${[exchange[2], exchange[3]].sort().join(", ")}`;
  // 16-bit names of a register that is read as one.
  t = t.replace(/^(mov [c-gs]s), (e|r)?([a-ds][xip]|r\d+)[wd]?$/, "$1, $3");
  return t
    .trim()
    .replace(
      /^(retf|sysret|sysexit|push|pop|call|jmp|ret|pushf|popf|iret|pusha|popa|ljmp|lcall)[dqlw](?= |$)/,
      "$1",
    )
    .replace(/^l(jmp|call) /, "$1 ");
}

const hex = (bytes: readonly number[]): string => bytes.map((b) => b.toString(16).padStart(2, "0")).join(" ");

describe.skipIf(!haveLlvm()).each([64, 32, 16] as const)("against LLVM, %d bits", (bits) => {
  test("the same encodings are instructions, and their texts are the same", () => {
    const prng = new Prng(SEED);
    const samples = Array.from({ length: CASES }, () => randomEncoding(prng, bits));
    const theirs = llvmDisassemble(samples, bits);
    const found = samples.flatMap((bytes, i) => {
      const their = theirs[i] ?? { text: "<unknown>", length: 0 };
      const our = disassemble((at) => bytes[at] ?? 0, BigInt(16 * i), { ...USER_64, bits });
      const [theirText, ourText] = [normalised(their.text, bits), normalised(our.text, bits)];
      const same = theirText === ourText && (ourText === "bad" || their.length === our.length);
      // It allows one byte too many.
      if (same || their.length > 15 || excused(bytes, theirText, ourText, bits)) return [];
      return [{ bytes: hex(bytes.slice(0, Math.max(their.length, our.length))), theirText, ourText }];
    });
    expect(found.slice(0, 20)).toEqual([]);
  });
});

/** The prefixes of an encoding. */
function prefixesOf(bytes: readonly number[], bits: Bits) {
  const isRex = (byte: number) => bits === 64 && (byte & 0xf0) === 0x40;
  const isPrefix = (byte: number) => /^(66|67|f[023]|26|2e|36|3e|6[45])$/.test(hex([byte])) || isRex(byte);
  const count = bytes.findIndex((byte) => !isPrefix(byte));
  const all = bytes.slice(0, Math.max(0, count));
  const has = (...some: readonly number[]) => all.some((byte) => some.includes(byte));
  const rex = all.at(-1) ?? 0;
  return {
    lock: has(0xf0),
    repeat: has(0xf2, 0xf3),
    size: has(0x66),
    address: has(0x67),
    segments: all.filter((byte) => /^(26|2e|36|3e|6[45])$/.test(hex([byte]))).length,
    wide: isRex(rex) && (rex & 8) !== 0,
    lostRex: all.slice(0, -1).some(isRex),
    opcode: bytes.slice(all.length),
  };
}

/** What LLVM knows and we do not: AVX and others that the processor does not have. */
const UNKNOWN = new RegExp(
  [
    "^(v|k|aes|sha|pclmul|gf2p8|xsave|xrstor|bnd|ldtilecfg|sttilecfg|tile|t[dz]|inv|rsm|getsec|wbnoinvd|",
    "serialize|umonitor|umwait|tpause|ptwrite|cldemote|clwb|clflushopt|clzero|movdir|enqcmd|rdp|wrp|rdssp|wruss|wrss|",
    "incssp|setssbsy|clrssbsy|saveprevssp|rstorssp|endbr|xabort|xbegin|xend|xtest|mwaitx|monitorx|vm|skinit|stgi|clgi|",
    "llwpcb|slwpcb|lwp|extrq|insertq|movnts[sd]|prefetch|pf|pi2f|pavgusb|pmulhrw|pswapd|femms|pconfig|hreset|encl|",
    "uiret|clui|stui|testui|senduipi|seamcall|seamops|seamret|tdcall|psmash|pvalidate|rmp|mcommit|jmpe|arpl|bound|",
    "bextr|blc|bls|tzmsk|t1ms|data|swapgs|tlbsync|xcrypt|xstore|montmul|xsha|loadall|syscall|sysret)",
  ].join(""),
);

/** Encodings on which LLVM 14 and we differ on purpose. */
function excused(bytes: readonly number[], theirs: string, ours: string, bits: Bits): boolean {
  const { lock, repeat, size, address, segments, wide, lostRex, opcode } = prefixesOf(bytes, bits);
  const [first = 0, second = 0] = opcode;
  if (ours === "bad")
    // It lists LOCK by itself, and overlooks other prefixes where an opcode forbids them, which processors do not.
    return UNKNOWN.test(theirs) || lock || (first === 0x0f && (repeat || size)) || lostRex;
  // It stops at a REX prefix that another prefix makes void, and loses 66 beside REX.W and before F2 and F3.
  if (lostRex || (size && wide) || (size && repeat)) return true;
  if (size && /^(j|loop|call)/.test(theirs)) return true;
  // It takes some prefixes for lines of their own, and REX.W for more than 67 where addresses are counts.
  if (/^x(acquire|release)$/.test(theirs) || /^j[er]?cxz/.test(theirs)) return true;
  // It loses segments beside LOCK, XACQUIRE and XRELEASE; in 16-bit code it takes operand sizes for others.
  const bare = (text: string) =>
    text
      .replace(/[c-gs]s:/, "")
      .split(/,? /)
      .sort()
      .join(" ");
  if ((lock || repeat) && bare(ours) === bare(theirs)) return true;
  // Far pointers and sizes of 16 bits with or without a sign.
  if ([0x9a, 0xea, 0xc2, 0xca, 0xc8].includes(first) && theirs.split(" ")[0] === ours.split(" ")[0])
    return true;
  if (bits === 16 && (/^(cwd|cbw)/.test(ours) || (first === 0x0f && repeat))) return true;

  // Elsewhere it loses 66 and 67 beside other prefixes.
  if (bits !== 64 && ((first === 0x0f && size) || (address && repeat))) return true;
  // Of several segments the last one counts, but not one that means nothing in 64-bit mode.
  if (bits === 64 && segments > 1) return true;
  // Near branches have 32-bit distances in 64-bit mode, as in Intel's processors.
  if (bits === 64 && size && /^(j|call|loop|ret)/.test(theirs)) return true;
  // New meanings of hints and prefixes, which old processors do not know.
  if (
    /^(cldemote|clflushopt|wbnoinvd|prefetch|endbr|rdssp|bnd)/.test(theirs) &&
    /^(nop|clflush|wbinvd|prefetch)/.test(ours)
  )
    return true;
  if (theirs !== "bad") return false;
  return (
    // Second encodings of floating-point instructions, and some that do nothing any more.
    /^(fcomp?|fstp|fxch|fneni|fndisi|fnsetpm)\b/.test(ours) ||
    // Second encodings of TEST and SHL, INT1, hints, prefetches, and segment registers that do not exist.
    /^(test|shl|int1|salc|ud1|wbinvd|nop)\b/.test(ours) ||
    // Moves of control and debug registers, for which ModRM.mod counts for nothing.
    (first === 0x0f && second >= 0x20 && second <= 0x23) ||
    (first === 0x0f && (second === 0x0d || (second >= 0x18 && second <= 0x1f))) ||
    (first === 0x0f && repeat) ||
    /\?/.test(ours)
  );
}
