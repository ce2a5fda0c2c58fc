import { type CallStatus, EXIT_ANSWERS } from "../exit.js";
import type { VCpuContext } from "../vcpu.js";
import { VCPU_TRANSITIONS } from "../vcpu-state.js";
import type { CaseTemplate, ConformanceAdapter } from "./conformance.js";
import { results, runTo, value } from "./drive.js";
import { check, checkEqual, checkThrows } from "./expectations.js";
import type { GuestProgram } from "./guest-program.js";

const CALL: GuestProgram = [{ op: "hypercall", nr: 1, args: [0n, 0n, 0n], result: 0 }, { op: "spin" }];

function vcpuRunning(adapter: ConformanceAdapter, program: GuestProgram) {
  return adapter.createVm(adapter.createHost(), [program]).vcpus.getVcpu(0);
}

/** Values whose halves, signs and carries can be told apart. */
const PATTERNS = [
  0n,
  1n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x0123_4567_89ab_cdefn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_ffffn,
];

function writableRegisters(adapter: ConformanceAdapter, names: readonly string[]): number[] {
  return [...names.keys()].filter((index) => index !== adapter.zeroRegister);
}

/** States, registers, and the rules about pending exits. */
export const stateCases: readonly CaseTemplate[] = [
  {
    name: "state: after initVcpu the boot vCPU is Ready and the others are PoweredOff",
    run(adapter) {
      const vm = adapter.createVm(adapter.createHost(), [
        [{ op: "spin" }],
        [{ op: "spin" }],
        [{ op: "spin" }],
      ]);
      const states = [...vm.vcpus].map(({ vcpuId, state }) => [vcpuId, state]);
      checkEqual(
        states,
        [
          [0, "Ready"],
          [1, "PoweredOff"],
          [2, "PoweredOff"],
        ],
        "states",
      );
      checkThrows("BadState", "a second initVcpu", () => vm.initVcpu(0));
    },
  },
  {
    name: "state: only the transitions of the table happen",
    run(adapter) {
      const vcpu = vcpuRunning(adapter, [{ op: "spin" }]);
      check(VCPU_TRANSITIONS.Ready.includes("Blocked"), "the table allows Ready -> Blocked");
      checkThrows("BadState", "wake while Ready", () => vcpu.wake());
      checkThrows("BadState", "powerOn while Ready", () => vcpu.powerOn(vcpu.entry, 0n));
      vcpu.block();
      checkEqual(vcpu.state, "Blocked", "state after block");
      checkThrows("BadState", "run while Blocked", () => vcpu.run(1));
      checkThrows("BadState", "block while Blocked", () => vcpu.block());
      vcpu.wake();
      checkEqual(vcpu.state, "Ready", "state after wake");
      checkEqual(vcpu.run(1).kind, "budgetSpent", "exit of a run of one instruction");
      checkEqual(vcpu.state, "Ready", "state after a run");
      vcpu.powerOff();
      checkEqual(vcpu.state, "PoweredOff", "state after powerOff");
      checkThrows("BadState", "run while PoweredOff", () => vcpu.run(1));
      checkThrows("BadState", "wake while PoweredOff", () => vcpu.wake());
      checkThrows("BadState", "powerOff while PoweredOff", () => vcpu.powerOff());
      vcpu.powerOn(vcpu.entry, 0n);
      checkEqual(vcpu.state, "Ready", "state after powerOn");
      checkEqual(vcpu.run(1).kind, "budgetSpent", "exit after powerOn");
    },
  },
  {
    name: "state: setup is refused once done",
    run(adapter) {
      const vcpu = vcpuRunning(adapter, [{ op: "spin" }]);
      checkThrows("BadState", "setup", () => vcpu.setup({} as VCpuContext, "on"));
      checkEqual(vcpu.run(5).kind, "budgetSpent", "exit after the refused setup");
    },
  },
  {
    name: "state: powerOn starts at the given entry, in the state of a reset",
    run(adapter) {
      const vcpu = vcpuRunning(adapter, CALL);
      runTo(vcpu, "hypercall");
      vcpu.powerOff();
      check(vcpu.pendingExit === undefined, "powerOff drops the pending exit");
      vcpu.powerOn(vcpu.entry, 0x1234n);
      if (adapter.argRegister !== undefined)
        checkEqual(vcpu.getGpr(adapter.argRegister), 0x1234n, "the argument's register");
      checkEqual(runTo(vcpu, "hypercall").nr, 1n, "number of the first hypercall again");
    },
  },
  {
    name: "state: a budget must be a positive integer",
    run(adapter) {
      const vcpu = vcpuRunning(adapter, [{ op: "spin" }]);
      for (const budget of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
        checkThrows("InvalidParam", `budget ${budget}`, () => vcpu.run(budget));
      checkEqual(vcpu.retired, 0, "instructions after refused runs");
    },
  },
  {
    name: "gpr: every register keeps every value, alone and in halves",
    run(adapter) {
      const vcpu = vcpuRunning(adapter, [{ op: "spin" }]);
      for (const index of writableRegisters(adapter, vcpu.gprNames)) {
        for (const pattern of PATTERNS) {
          const what = `${vcpu.gprNames[index]} set to 0x${pattern.toString(16)}`;
          vcpu.setGpr(index, pattern);
          checkEqual(vcpu.getGpr(index), pattern, what);
          checkEqual(vcpu.getGprLo(index), Number(pattern & 0xffff_ffffn), `low half of ${what}`);
          checkEqual(vcpu.getGprHi(index), Number(pattern >> 32n), `high half of ${what}`);
          vcpu.setGprPair(index, 0, 0);
          vcpu.setGprPair(index, Number(pattern & 0xffff_ffffn), Number(pattern >> 32n));
          checkEqual(vcpu.getGpr(index), pattern, `in halves: ${what}`);
        }
      }
    },
  },
  {
    name: "gpr: registers do not overlap",
    run(adapter) {
      const vcpu = vcpuRunning(adapter, [{ op: "spin" }]);
      const registers = writableRegisters(adapter, vcpu.gprNames);
      const own = (index: number) => 0x1111_0000_2222_0000n + BigInt(index);
      for (const index of registers) vcpu.setGpr(index, own(index));
      for (const written of registers) {
        // Each alone: two names of one register would hide behind the order of writing.
        vcpu.setGpr(written, ~own(written));
        for (const index of registers) {
          const expected = index === written ? BigInt.asUintN(64, ~own(index)) : own(index);
          checkEqual(
            vcpu.getGpr(index),
            expected,
            `${vcpu.gprNames[index]}, ${vcpu.gprNames[written]} written`,
          );
        }
        vcpu.setGpr(written, own(written));
      }
      checkEqual(new Set(vcpu.gprNames).size, vcpu.gprNames.length, "number of distinct register names");
    },
  },
  {
    name: "gpr: values are taken modulo 2^64 and halves modulo 2^32",
    run(adapter) {
      const vcpu = vcpuRunning(adapter, [{ op: "spin" }]);
      const index = adapter.scratch[0];
      vcpu.setGpr(index, 2n ** 64n + 5n);
      checkEqual(vcpu.getGpr(index), 5n, "2^64 + 5");
      vcpu.setGpr(index, -1n);
      checkEqual(vcpu.getGpr(index), 2n ** 64n - 1n, "-1");
      vcpu.setGprPair(index, -1, -2);
      checkEqual(vcpu.getGpr(index), 0xffff_fffe_ffff_ffffn, "halves -1 and -2");
      checkEqual([vcpu.getGprLo(index), vcpu.getGprHi(index)], [0xffff_ffff, 0xffff_fffe], "unsigned halves");
    },
  },
  {
    name: "gpr: a hard-wired zero stays zero, and no register is out of range",
    run(adapter) {
      const vcpu = vcpuRunning(adapter, [{ op: "spin" }]);
      if (adapter.zeroRegister !== undefined) {
        vcpu.setGpr(adapter.zeroRegister, 7n);
        vcpu.setGprPair(adapter.zeroRegister, 7, 7);
        checkEqual(vcpu.getGpr(adapter.zeroRegister), 0n, "the zero register");
      }
      for (const index of [-1, vcpu.gprNames.length, 0.5]) {
        checkThrows("OutOfRange", `getGpr(${index})`, () => vcpu.getGpr(index));
        checkThrows("OutOfRange", `setGpr(${index})`, () => vcpu.setGpr(index, 0n));
        checkThrows("OutOfRange", `getGprLo(${index})`, () => vcpu.getGprLo(index));
        checkThrows("OutOfRange", `getGprHi(${index})`, () => vcpu.getGprHi(index));
        checkThrows("OutOfRange", `setGprPair(${index})`, () => vcpu.setGprPair(index, 0, 0));
      }
    },
  },
  {
    name: "gpr: the guest sees what the host sets, and the host what the guest sets",
    run(adapter) {
      const { scratch } = adapter;
      const vcpu = vcpuRunning(adapter, [
        { op: "set", reg: 0, value: 0xfedc_ba98_7654_3210n },
        { op: "hypercall", nr: 1, args: [0n, 0n, 0n], result: 3 },
        { op: "add", reg: 1, value: 5 },
        { op: "hypercall", nr: 2, args: [0n, 0n, 0n], result: 3 },
        { op: "spin" },
      ]);
      runTo(vcpu, "hypercall");
      checkEqual(vcpu.getGpr(scratch[0]), 0xfedc_ba98_7654_3210n, "what the guest set");
      vcpu.setGpr(scratch[1], 0xffff_ffff_ffff_fffen);
      vcpu.completeExit(results(0n));
      runTo(vcpu, "hypercall");
      checkEqual(vcpu.getGpr(scratch[1]), 3n, "what the guest computed from what the host set, modulo 2^64");
      checkEqual(vcpu.getGpr(scratch[0]), 0xfedc_ba98_7654_3210n, "the register that nobody touched");
    },
  },
  {
    name: "pending exit: nothing runs before the answer, and only a fitting answer is taken",
    run(adapter) {
      const vcpu = vcpuRunning(adapter, CALL);
      check(vcpu.pendingExit === undefined, "no exit is pending before the first run");
      checkThrows("BadState", "an answer before any exit", () => vcpu.completeExit(results(0n)));
      const exit = runTo(vcpu, "hypercall");
      check(vcpu.pendingExit === exit, "the pending exit is the one that was returned");
      checkEqual(vcpu.state, "Ready", "state with a pending exit");
      checkThrows("BadState", "a run before the answer", () => vcpu.run(1));
      checkThrows("InvalidParam", "a value for a hypercall", () => vcpu.completeExit(value(0)));
      check(vcpu.pendingExit === exit, "the exit is still pending after refused answers");
      vcpu.completeExit(results(0n));
      check(vcpu.pendingExit === undefined, "no exit is pending after the answer");
      checkThrows("BadState", "a second answer", () => vcpu.completeExit(results(0n)));
      checkEqual(vcpu.run(10).kind, "budgetSpent", "exit after the answer");
    },
  },
  {
    name: "pending exit: a hypercall takes a status, too",
    run(adapter) {
      const statuses: CallStatus[] = ["success", "notSupported", "invalidParam"];
      check(EXIT_ANSWERS.hypercall.includes("status"), "the table allows a status for a hypercall");
      const seen = statuses.map((status) => {
        const vcpu = vcpuRunning(adapter, CALL);
        runTo(vcpu, "hypercall");
        vcpu.completeExit({ kind: "status", status });
        return vcpu.run(10).kind;
      });
      checkEqual(seen, ["budgetSpent", "budgetSpent", "budgetSpent"], "exits after the answers");
    },
  },
];
