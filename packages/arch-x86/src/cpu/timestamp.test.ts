import type { Tier } from "@hypercraft/engine";
import { describe, expect, it } from "vitest";
import { le } from "../testing/code-bytes.js";
import { codeGuest, createRig, STOP } from "../testing/vm/rig.js";
import { CR4 as CR4_BIT } from "./control-bits.js";
import { TSC_HZ } from "./frequencies.js";
import { Helper } from "./helper-ids.js";
import { CR4, Gpr } from "./state.js";

// RDTSCP by its helper and by its shortcut.

const NS = 3 * 2 ** 33 + 12_345;
const ROUNDS = 300;
const PROCESSOR = 7;

/** IA32_TSC_AUX = 7; ROUNDS times: RDTSCP; RDX into R8, RAX into R9, RCX into R10. */
const PROGRAM = [
  ...[0xb9, ...le(0xc000_0103), 0xb8, ...le(PROCESSOR), 0x31, 0xd2, 0x0f, 0x30],
  ...[0xbb, ...le(ROUNDS)],
  ...[0x0f, 0x01, 0xf9, 0x49, 0x89, 0xd0, 0x49, 0x89, 0xc1, 0x49, 0x89, 0xca],
  ...[0xff, 0xcb, 0x75, -16 & 0xff],
  ...STOP,
];

function run(tier: Tier, clock?: { now(): number }, timeStampDisable = false) {
  const { vcpu } = codeGuest(PROGRAM, { rig: createRig(clock, tier) });
  const { cpu, core } = vcpu;
  if (timeStampDisable) core.setBig(CR4, core.big(CR4) | BigInt(CR4_BIT.TSD));
  let calls = 0;
  const helper = cpu.helper.bind(cpu);
  cpu.helper = (id, ...rest) => {
    if (id === Helper.timestamp) calls++;
    return helper(id, ...rest);
  };
  let end = vcpu.run(100_000);
  while (end.kind !== "hypercall") end = vcpu.run(100_000);
  const [hi, lo, processor, left] = [8, 9, 10, Gpr.rbx].map((number) => vcpu.getGpr(number));
  return { calls, ns: (((hi as bigint) << 32n) | (lo as bigint)) / BigInt(TSC_HZ / 1e9), processor, left };
}

describe.each<Tier>(["cold", "auto", "hot"])("%s: the time-stamp counter", (tier) => {
  it("is the clock's, in time of the real world without the helper", () => {
    const { ns, processor, left, calls } = run(tier, { now: () => NS });
    expect([ns, processor, left]).toEqual([BigInt(NS), BigInt(PROCESSOR), 0n]);
    // The reference has no shortcuts.
    expect(calls).toBe(tier === "cold" ? ROUNDS : 0);
  });

  it("counts the instructions to the one that reads it, where time is made of them", () => {
    const { ns, calls } = run(tier);
    expect([ns, calls]).toEqual([BigInt(10 * (5 + 6 * (ROUNDS - 1))), ROUNDS]);
  });

  it("is for the helper to give where CR4.TSD says who may read it", () => {
    const { ns, calls } = run(tier, { now: () => NS }, true);
    expect([ns, calls]).toEqual([BigInt(NS), ROUNDS]);
  });
});
