import type { CaseTemplate } from "./conformance.js";
import { results, runAll, runTo } from "./drive.js";
import { checkEqual, checkThrows } from "./expectations.js";
import type { GuestProgram } from "./guest-program.js";

const ARGS = [0x0123_4567_89ab_cdefn, 0xffff_ffff_ffff_fff0n, 7n] as const;

/** Hypercalls, shutdown and reset. */
export const hypercallCases: readonly CaseTemplate[] = [
  {
    name: "hypercall: number and arguments arrive in full",
    run(adapter) {
      const program: GuestProgram = [
        { op: "hypercall", nr: 0x21, args: ARGS, result: 0 },
        { op: "hypercall", nr: 0x22, args: [1n, 2n, 3n], result: 0 },
        { op: "spin" },
      ];
      const vcpu = adapter.createVm(adapter.createHost(), [program]).vcpus.getVcpu(0);
      const first = runTo(vcpu, "hypercall");
      checkEqual(first.nr, 0x21n, "number");
      checkEqual(first.args.slice(0, 3), ARGS, "arguments");
      vcpu.completeExit(results(0n));
      const second = runTo(vcpu, "hypercall");
      checkEqual([second.nr, second.args.slice(0, 3)], [0x22n, [1n, 2n, 3n]], "the second call");
    },
  },
  {
    name: "hypercall: the result arrives in full and nothing else changes",
    run(adapter) {
      const { scratch } = adapter;
      const program: GuestProgram = [
        { op: "set", reg: 0, value: 10n },
        { op: "set", reg: 1, value: 20n },
        { op: "hypercall", nr: 1, args: ARGS, result: 2 },
        { op: "hypercall", nr: 2, args: ARGS, result: 3 },
        { op: "spin" },
      ];
      const vcpu = adapter.createVm(adapter.createHost(), [program]).vcpus.getVcpu(0);
      runTo(vcpu, "hypercall");
      vcpu.completeExit(results(0xfedc_ba98_7654_3210n));
      runTo(vcpu, "hypercall");
      const registers = scratch.slice(0, 3).map((index) => vcpu.getGpr(index));
      checkEqual(registers, [10n, 20n, 0xfedc_ba98_7654_3210n], "scratch registers after the call");
    },
  },
  {
    name: "hypercall: a handler of the VM answers",
    async run(adapter) {
      const program: GuestProgram = [
        { op: "hypercall", nr: 9, args: [40n, 2n, 0n], result: 0 },
        { op: "shutdown", failure: false },
      ];
      const calls: bigint[] = [];
      const vm = adapter.createVm(adapter.createHost(), [program], {
        handlers: {
          hypercall: ({ nr, args }) => {
            calls.push(nr);
            return results(args[0]! + args[1]!);
          },
        },
      });
      checkEqual((await runAll(vm)).kind, "shutdown", "end of the run");
      checkEqual(calls, [9n], "calls seen");
      checkEqual(vm.vcpus.getVcpu(0).getGpr(adapter.scratch[0]), 42n, "what the guest got");
    },
  },
  ...[false, true].map(
    (failure): CaseTemplate => ({
      name: `shutdown: the run ends, ${failure ? "as a failure" : "as a success"}, for good`,
      ...(failure && { needs: ["failure"] as const }),
      async run(adapter) {
        const vm = adapter.createVm(adapter.createHost(), [[{ op: "nop" }, { op: "shutdown", failure }]]);
        const result = await runAll(vm);
        const outcome = result.kind === "shutdown" ? [result.vcpuId, result.failure] : result.kind;
        checkEqual(outcome, [0, failure], "result");
        checkThrows("BadState", "another run", () => vm.requireRunnable());
      },
    }),
  ),
  {
    name: "reset: the run ends with the guest's wish",
    needs: ["reset"],
    async run(adapter) {
      const vm = adapter.createVm(adapter.createHost(), [[{ op: "reset" }]]);
      checkEqual((await runAll(vm)).kind, "reset", "result");
    },
  },
];
