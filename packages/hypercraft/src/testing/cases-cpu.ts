import type { CaseTemplate } from "./conformance.js";
import { results, runAll, runTo, runToExit } from "./drive.js";
import { check, checkEqual } from "./expectations.js";
import type { GuestOp, GuestProgram } from "./guest-program.js";

const call = (nr: number): GuestOp => ({ op: "hypercall", nr, args: [0n, 0n, 0n], result: 3 });
const up = (target: number, program: number, result: 0 | 1 | 2 | 3 = 0): GuestOp => ({
  op: "cpuUp",
  target,
  program,
  arg: 0x1234,
  result,
});
const END = { kind: "end", result: { kind: "stopped" } } as const;

/** Waiting, timers, starting and stopping vCPUs, interrupts between them. */
export const cpuCases: readonly CaseTemplate[] = [
  {
    name: "wait: blocks behind the instruction until an interrupt comes",
    needs: ["wait"],
    run(adapter) {
      const vcpu = adapter
        .createVm(adapter.createHost(), [[{ op: "wait" }, call(1), { op: "spin" }]])
        .vcpus.getVcpu(0);
      runTo(vcpu, "wait");
      checkEqual(vcpu.state, "Blocked", "state after the wait");
      check(vcpu.pendingExit === undefined, "a wait needs no answer");
      checkEqual(vcpu.hasWakeEvent(), false, "a wake event before the interrupt");
      vcpu.interrupt(adapter.ipiVector);
      checkEqual(vcpu.hasWakeEvent(), true, "a wake event after the interrupt");
      checkEqual(vcpu.state, "Blocked", "the host decides when it wakes");
      vcpu.wake();
      checkEqual(runTo(vcpu, "hypercall").nr, 1n, "the call behind the wait");
    },
  },
  {
    name: "wait: a guest that waits for nothing leaves the VM idle, and can be woken from outside",
    needs: ["wait"],
    async run(adapter) {
      const handlers = { hypercall: () => END };
      const vm = adapter.createVm(adapter.createHost(), [[{ op: "wait" }, call(1), { op: "spin" }]], {
        handlers,
      });
      checkEqual((await runAll(vm, { onIdle: "stop" })).kind, "idle", "end of the first run");
      checkEqual(vm.vcpus.getVcpu(0).nextDeadline(), Number.POSITIVE_INFINITY, "deadline without a timer");
      vm.vcpus.getVcpu(0).interrupt(adapter.ipiVector);
      checkEqual((await runAll(vm, { onIdle: "stop" })).kind, "stopped", "end of the second run");
    },
  },
  {
    name: "wait: an interrupt wakes a run that sleeps",
    needs: ["wait"],
    async run(adapter) {
      const handlers = { hypercall: () => END };
      const vm = adapter.createVm(adapter.createHost(), [[{ op: "wait" }, call(1), { op: "spin" }]], {
        handlers,
      });
      const running = runAll(vm);
      setTimeout(() => vm.vcpus.getVcpu(0).interrupt(adapter.ipiVector), 5);
      checkEqual((await running).kind, "stopped", "end of the run");
    },
  },
  {
    name: "timer: virtual time jumps to the deadline of a waiting vCPU, not past it",
    needs: ["wait", "setTimer"],
    async run(adapter) {
      const delayNs = 5_000_000_000;
      const program: GuestProgram = [{ op: "setTimer", delayNs }, { op: "wait" }, call(1), { op: "spin" }];
      let reached = 0;
      const host = adapter.createHost();
      const vm = adapter.createVm(host, [program], {
        handlers: {
          hypercall: () => {
            reached = host.hal.clock.now();
            return END;
          },
        },
      });
      checkEqual((await runAll(vm, { onIdle: "stop" })).kind, "stopped", "end of the run");
      check(reached >= delayNs, `the guest goes on at ${reached} ns, before its deadline`);
      check(reached < delayNs + 1_000_000, `the guest goes on at ${reached} ns, long after its deadline`);
      check(vm.vcpus.getVcpu(0).retired < 100_000, "the wait costs no instructions");
    },
  },
  {
    name: "timer: the deadline is that of the timer while it runs",
    needs: ["wait", "setTimer"],
    run(adapter) {
      const delayNs = 1_000_000;
      const program: GuestProgram = [{ op: "setTimer", delayNs }, { op: "wait" }, { op: "spin" }];
      const vcpu = adapter.createVm(adapter.createHost(), [program]).vcpus.getVcpu(0);
      checkEqual(vcpu.nextDeadline(), Number.POSITIVE_INFINITY, "deadline before");
      runTo(vcpu, "wait");
      const deadline = vcpu.nextDeadline();
      check(deadline >= delayNs && deadline < delayNs + 100_000, `deadline ${deadline} ns while it runs`);
      checkEqual(vcpu.hasWakeEvent(), false, "a wake event before the deadline");
    },
  },
  {
    name: "cpuUp: the other vCPU starts at the entry with the argument",
    needs: ["cpuUp"],
    run(adapter) {
      const vm = adapter.createVm(adapter.createHost(), [
        [up(1, 2), call(1), { op: "spin" }],
        [call(10), { op: "spin" }],
        [call(20), { op: "spin" }],
      ]);
      const [first, second] = [vm.vcpus.getVcpu(0), vm.vcpus.getVcpu(1)];
      const exit = runTo(first, "cpuUp");
      checkEqual([exit.target, exit.arg], [1, 0x1234n], "target and argument of the exit");
      checkEqual(vm.handleExit(first, exit), undefined, "what the VM makes of it");
      checkEqual(second.state, "Ready", "state of the started vCPU");
      if (adapter.argRegister !== undefined)
        checkEqual(second.getGpr(adapter.argRegister), 0x1234n, "the argument's register");
      checkEqual(
        runTo(second, "hypercall").nr,
        20n,
        "first call of the started vCPU: program 2, not its own",
      );
      checkEqual(runTo(first, "hypercall").nr, 1n, "the starter goes on");
    },
  },
  {
    name: "cpuUp: the caller learns whether it worked",
    needs: ["cpuUp"],
    run(adapter) {
      const vm = adapter.createVm(adapter.createHost(), [
        [up(1, 1, 0), up(1, 1, 1), up(77, 1, 2), call(1), { op: "spin" }],
        [{ op: "spin" }],
      ]);
      const vcpu = vm.vcpus.getVcpu(0);
      let exit = runToExit(vcpu);
      for (; exit.kind !== "hypercall"; exit = runToExit(vcpu))
        checkEqual(vm.handleExit(vcpu, exit), undefined, `what the VM makes of ${exit.kind}`);
      const [first, again, nobody] = adapter.scratch.map((index) => vcpu.getGpr(index));
      checkEqual(first, 0n, "status of the start");
      check(again !== 0n, "starting it again gives an error");
      check(nobody !== 0n, "starting a vCPU that is not there gives an error");
    },
  },
  {
    name: "cpuDown: the vCPU stops and can be started again; when all have, the VM has halted",
    needs: ["cpuUp", "cpuDown"],
    async run(adapter) {
      const calls: string[] = [];
      const waitFor: GuestOp[] = Array.from({ length: 200 }, () => ({ op: "nop" }));
      const program: GuestProgram = [up(1, 1), ...waitFor, up(1, 1), ...waitFor, { op: "cpuDown" }];
      const vm = adapter.createVm(adapter.createHost(), [program, [call(7), { op: "cpuDown" }]], {
        handlers: {
          hypercall: ({ nr }, vcpu) => {
            calls.push(`${vcpu.vcpuId}:${nr}`);
            return results(0n);
          },
        },
      });
      checkEqual((await runAll(vm, { slice: 20, onIdle: "stop" })).kind, "halted", "end of the run");
      checkEqual(calls, ["1:7", "1:7"], "calls of the other vCPU");
      checkEqual(
        [...vm.vcpus].map(({ state }) => state),
        ["PoweredOff", "PoweredOff"],
        "states",
      );
    },
  },
  {
    name: "ipi: wakes a vCPU that waits",
    needs: ["cpuUp", "ipi", "wait"],
    async run(adapter) {
      const nops: GuestOp[] = Array.from({ length: 200 }, () => ({ op: "nop" }));
      const calls: string[] = [];
      const vm = adapter.createVm(
        adapter.createHost(),
        [
          [up(1, 1), ...nops, call(1), { op: "ipi", target: 1 }, { op: "wait" }, { op: "spin" }],
          [call(2), { op: "wait" }, call(3), { op: "spin" }],
        ],
        {
          handlers: {
            hypercall: ({ nr }, vcpu) => {
              calls.push(`${vcpu.vcpuId}:${nr}`);
              return nr === 3n ? END : results(0n);
            },
          },
        },
      );
      checkEqual((await runAll(vm, { slice: 20, onIdle: "stop" })).kind, "stopped", "end of the run");
      checkEqual(calls, ["1:2", "0:1", "1:3"], "calls in order");
    },
  },
  {
    name: "round robin: vCPUs take turns of one slice each, the same way every time",
    needs: ["cpuUp"],
    async run(adapter) {
      const once = async () => {
        const vm = adapter.createVm(adapter.createHost(), [[up(1, 1), { op: "spin" }], [{ op: "spin" }]]);
        checkEqual(
          (await runAll(vm, { slice: 100, maxInstructions: 1050 })).kind,
          "budget",
          "end of the run",
        );
        return [...vm.vcpus].map(({ retired }) => retired);
      };
      const first = await once();
      checkEqual(first[0]! + first[1]!, 1050, "instructions of both");
      checkEqual(Math.abs(first[0]! - first[1]!), 50, "difference between them");
      checkEqual(await once(), first, "the second time");
    },
  },
];
