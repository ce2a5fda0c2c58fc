import { Prng } from "@hypercraft/engine";
import { createFlatUser } from "@hypercraft/engine/testing/flat-user";
import { describe, expect, test } from "vitest";
import { encode } from "../../isa/encode.js";
import { FLOATING_POINT, UserCpu } from "../../testing/engine-user.js";
import { rows } from "../../testing/instruction-endings.js";
import { Helper } from "../helper-ids.js";
import { GPR, Gpr, x86Layout } from "../state.js";

// FXSAVE, FXRSTOR, XSAVE and XRSTOR at once against the lifter's way, which moves their images piece by piece.

const BASE = 0x2_0000;
const IMAGE = 0x4_0000;
const BYTES = 576;
/** In a page, up to its end, and across it. */
const PLACES = [0, 4096 - BYTES, 4096 - 512, 4096 - 64, 4096 - 320, 8192 - 128] as const;
const NAMES = [
  "fxsave",
  "fxsave64",
  "fxrstor",
  "fxrstor64",
  "xsave",
  "xsave64",
  "xrstor",
  "xrstor64",
] as const;

/** A processor that counts what it did at once, or does nothing so. */
class CountingCpu extends UserCpu {
  quick = true;
  moves = 0;
  override helper(...[id, constant, ...operands]: Parameters<UserCpu["helper"]>) {
    if (id !== Helper.moveState) return super.helper(id, constant, ...operands);
    if (!this.quick) return 0;
    const status = super.helper(id, constant, ...operands);
    if (status !== 0) this.moves++;
    return status;
  }
}

const code = NAMES.map((name) => {
  const row = rows.find((one) => one.name === `${name} M`)!;
  return [...encode(row, { reg: 0, rm: { base: 3 } }), 0x0f, 0x05];
});
const program = new Uint8Array(NAMES.length * 16);
for (const [i, bytes] of code.entries()) program.set(bytes, 16 * i);

function create(tier: "cold" | "hot") {
  let cpu!: CountingCpu;
  const { core } = createFlatUser(
    { image: program, base: BASE },
    { cpu: (one) => (cpu = new CountingCpu(one)), floatingPoint: FLOATING_POINT, tier },
  );
  return { core, cpu, at: core.ramOffset(IMAGE) };
}

interface Case {
  readonly name: (typeof NAMES)[number];
  readonly place: number;
  readonly image: Uint8Array;
  readonly state: readonly bigint[];
  readonly mask: number;
}

const FIELDS = [...x86Layout.fields].filter(([name]) => /^(xmm|st|fpu|mxcsr|fpFlags)/.test(name));
const width = { i32: 32, i64: 64, v128: 128 } as const;
/** Registers have bits that are not there. */
const limits: Readonly<Record<string, bigint>> = {
  fpuControl: 0x1f7fn,
  fpuStatus: 0xffffn,
  fpuUsed: 0xffn,
  fpuOpcode: 0x7ffn,
  fpuCs: 0xffffn,
  fpuDs: 0xffffn,
  mxcsr: 0xffc0n,
  fpFlags: 0x3fn,
};

function wide(random: Prng, bits: number): bigint {
  let value = 0n;
  for (let done = 0; done < bits; done += 32) value = (value << 32n) | BigInt(random.bits() >>> 0);
  return value;
}

function randomCase(random: Prng): Case {
  const image = Uint8Array.from({ length: BYTES }, () => random.below(256));
  const view = new DataView(image.buffer);
  if (random.below(6) !== 0) view.setUint32(24, random.below(0x1_0000), true);
  // The header.
  image.fill(0, 512);
  view.setUint32(512, random.below(random.below(5) === 0 ? 8 : 4), true);
  if (random.below(10) === 0) image[520 + random.below(16)] = 1;
  if (random.below(10) === 0) image[516] = 1;
  const state = FIELDS.map(([name, field]) => {
    const bits = /^stExponent/.test(name) ? 16 : width[field.type as keyof typeof width];
    return wide(random, bits) & (limits[name] ?? -1n) & ((1n << BigInt(bits)) - 1n);
  });
  const place = IMAGE + PLACES[random.below(PLACES.length)]!;
  const mask = random.below(4) === 0 ? random.below(8) : -1;
  return { name: NAMES[random.below(NAMES.length)]!, place, image, state, mask };
}

/** Memory and registers after an instruction, and how it ended. */
function after({ core, cpu, at }: ReturnType<typeof create>, one: Case, quick: boolean) {
  cpu.quick = quick;
  const target = at + one.place - IMAGE;
  core.bytes.set(one.image, target);
  for (const [i, [, field]] of FIELDS.entries()) core.setBig(field, one.state[i]!);
  core.setBig(GPR[Gpr.rbx]!, BigInt(one.place));
  core.set(GPR[Gpr.rax]!, one.mask, 0);
  core.set(GPR[Gpr.rdx]!, one.mask, 0);
  core.setPc(BASE + 16 * NAMES.indexOf(one.name), 0);
  core.run(10);
  return {
    end: core.exit,
    pc: core.pcLo(),
    fields: FIELDS.map(([name, field]) => `${name} ${core.big(field).toString(16)}`),
    memory: Buffer.from(core.bytes.subarray(target - 64, target + BYTES + 64)).toString("hex"),
  };
}

describe.each(["cold", "hot"] as const)("images at once, %s", (tier) => {
  test("leave the same registers, memory and faults", () => {
    const machine = create(tier);
    const random = new Prng(77);
    const faults = new Set<string>();
    for (let n = 0; n < 1500; n++) {
      const one = randomCase(random);
      const slow = after(machine, one, false);
      expect(after(machine, one, true), JSON.stringify({ ...one, image: [], state: [] }, null, 0)).toEqual(
        slow,
      );
      faults.add(String(slow.end));
    }
    expect([...faults].some((end) => /exception 13/.test(end))).toBe(true);
    // Most are usual.
    expect(machine.cpu.moves).toBeGreaterThan(900);
  });
});
