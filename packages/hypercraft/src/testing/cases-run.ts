import type { VmExitKind } from "../exit.js";
import { RETRY } from "../exit-handlers.js";
import type { VCpu } from "../vcpu.js";
import type { CaseTemplate, ConformanceAdapter } from "./conformance.js";
import { results, runAll, runTo, value } from "./drive.js";
import { check, checkEqual } from "./expectations.js";
import type { GuestOp, GuestProgram } from "./guest-program.js";

const BUDGETS = [1, 2, 3, 7, 64, 100, 1000, 4096, 65_537];

const shutdownExit = (adapter: ConformanceAdapter): VmExitKind => adapter.shutdownExit ?? "systemShutdown";

/** A program with work between exits of several kinds. */
function tour({ layout }: ConformanceAdapter): GuestProgram {
  const nops: GuestOp[] = Array.from({ length: 5 }, () => ({ op: "nop" }));
  return [
    { op: "set", reg: 0, value: 0x0102_0304_0506_0708n },
    ...nops,
    { op: "store", reg: 0, address: layout.ram, width: 8 },
    { op: "load", reg: 1, address: layout.ram + 4, width: 2, signed: false },
    { op: "store", reg: 1, address: layout.device, width: 4 },
    ...nops,
    { op: "load", reg: 2, address: layout.device + 8, width: 4, signed: true },
    { op: "hypercall", nr: 3, args: [1n, 2n, 3n], result: 3 },
    ...nops,
    { op: "load", reg: 2, address: layout.device + 16, width: 8, signed: false },
    { op: "hypercall", nr: 4, args: [4n, 5n, 6n], result: 0 },
    { op: "shutdown", failure: false },
  ];
}

/** Runs the tour in runs of `budget` and writes down everything that an observer can see. */
function observe(adapter: ConformanceAdapter, budget: number): unknown[] {
  const vcpu = adapter.createVm(adapter.createHost(), [tour(adapter)]).vcpus.getVcpu(0);
  const log: unknown[] = [];
  for (let exits = 0; exits < 100_000; exits++) {
    const exit = vcpu.run(budget);
    if (exit.kind === "budgetSpent") continue;
    const registers = adapter.scratch.map((index) => vcpu.getGpr(index));
    log.push([exit.kind, vcpu.retired, vcpu.getPc(), registers]);
    if (exit.kind === shutdownExit(adapter)) return log;
    if (exit.kind === "hypercall") vcpu.completeExit(results(exit.nr + 100n));
    else if (exit.kind === "mmioRead") vcpu.completeExit(value(0x8000_0000 + exit.width, 9));
    else if (exit.kind === "mmioWrite") vcpu.completeExit({ kind: "done" });
  }
  return log;
}

function spinning(adapter: ConformanceAdapter): VCpu {
  return adapter.createVm(adapter.createHost(), [[{ op: "spin" }]]).vcpus.getVcpu(0);
}

/** Budgets, precision, determinism. */
export const runCases: readonly CaseTemplate[] = [
  {
    name: "budget: a run without exits retires exactly its budget",
    run(adapter) {
      const vcpu = spinning(adapter);
      let expected = 0;
      for (const budget of [...BUDGETS, ...BUDGETS]) {
        checkEqual(vcpu.run(budget).kind, "budgetSpent", `exit of run(${budget})`);
        expected += budget;
        checkEqual(vcpu.retired, expected, `instructions after run(${budget})`);
      }
    },
  },
  {
    name: "budget: a run that exits early has spent less than its budget",
    run(adapter) {
      const { layout } = adapter;
      const program: GuestProgram = [
        { op: "nop" },
        { op: "load", reg: 0, address: layout.device, width: 4, signed: false },
        { op: "spin" },
      ];
      const vcpu = adapter.createVm(adapter.createHost(), [program]).vcpus.getVcpu(0);
      let before = 0;
      let exit = vcpu.run(1);
      for (let runs = 0; runs < 1000 && exit.kind === "budgetSpent"; runs++) {
        before = vcpu.retired;
        exit = vcpu.run(1);
      }
      checkEqual(exit.kind, "mmioRead", "the first exit");
      check(before >= 1, "the instructions before the load are charged");
      checkEqual(vcpu.retired, before, "instructions at the exit: the load is not done yet");
      vcpu.completeExit(value(1));
      vcpu.run(1);
      // The load is charged when it is finished: by its answer, or by the next run.
      check(
        vcpu.retired > before && vcpu.retired <= before + 2,
        `${vcpu.retired - before} charged for the load`,
      );
    },
  },
  {
    name: "budget: exits come at the same count, pc and registers whatever the slices are",
    run(adapter) {
      const whole = observe(adapter, 1_000_000);
      check(whole.length === 6, `the program exits six times, not ${whole.length}`);
      for (const budget of [1, 2, 3, 5, 17])
        checkEqual(observe(adapter, budget), whole, `in runs of ${budget}`);
    },
  },
  {
    name: "exit precision: what stands before the exit is done, what stands behind it is not",
    run(adapter) {
      const { layout, scratch } = adapter;
      const program: GuestProgram = [
        { op: "set", reg: 0, value: 11n },
        { op: "set", reg: 1, value: 22n },
        { op: "load", reg: 1, address: layout.device, width: 8, signed: false },
        { op: "set", reg: 0, value: 33n },
        { op: "store", reg: 0, address: layout.device, width: 8 },
        { op: "set", reg: 0, value: 44n },
        { op: "hypercall", nr: 5, args: [0n, 0n, 0n], result: 3 },
        { op: "spin" },
      ];
      const vcpu = adapter.createVm(adapter.createHost(), [program]).vcpus.getVcpu(0);
      const registers = () => [vcpu.getGpr(scratch[0]), vcpu.getGpr(scratch[1])];
      runTo(vcpu, "mmioRead");
      checkEqual(registers(), [11n, 22n], "registers at the load");
      vcpu.completeExit(value(55));
      runTo(vcpu, "mmioWrite");
      checkEqual(registers(), [33n, 55n], "registers at the store");
      vcpu.completeExit({ kind: "done" });
      runTo(vcpu, "hypercall");
      checkEqual(registers(), [44n, 55n], "registers at the hypercall");
    },
  },
  {
    name: "exit precision: an exit that is tried again comes again, at the same pc and count",
    run(adapter) {
      const { layout } = adapter;
      const program: GuestProgram = [
        { op: "nop" },
        { op: "load", reg: 0, address: layout.device + 8, width: 4, signed: false },
        { op: "spin" },
      ];
      const vcpu = adapter.createVm(adapter.createHost(), [program]).vcpus.getVcpu(0);
      const first = runTo(vcpu, "mmioRead");
      const [pc, retired] = [vcpu.getPc(), vcpu.retired];
      vcpu.completeExit(RETRY);
      const second = runTo(vcpu, "mmioRead");
      checkEqual([second.gpa, second.width], [first.gpa, first.width], "the access, tried again");
      checkEqual([vcpu.getPc(), vcpu.retired], [pc, retired], "pc and count, tried again");
    },
  },
  {
    name: "exits carry the architecture's own cause",
    run(adapter) {
      const { arch } = adapter;
      const vcpu = adapter.createVm(adapter.createHost(), [tour(adapter)]).vcpus.getVcpu(0);
      const kinds = new Set<string>();
      for (let exits = 0; exits < 1000; exits++) {
        const exit = vcpu.run(4);
        kinds.add(exit.kind);
        checkEqual(exit.raw.arch, arch, `architecture in the cause of ${exit.kind}`);
        check(exit.raw.reason.length > 0, `the cause of ${exit.kind} gives a reason`);
        if (exit.kind === shutdownExit(adapter)) break;
        if (exit.kind === "hypercall") vcpu.completeExit(results(0n));
        else if (exit.kind === "mmioRead") vcpu.completeExit(value(0));
        else if (exit.kind === "mmioWrite") vcpu.completeExit({ kind: "done" });
      }
      const expected = ["budgetSpent", "hypercall", "mmioRead", "mmioWrite", shutdownExit(adapter)];
      checkEqual([...kinds].sort(), expected.sort(), "kinds of exit seen");
    },
  },
  {
    name: "determinism: the same VM on two hosts gives the same counts, time and statistics",
    async run(adapter) {
      const once = async () => {
        const host = adapter.createHost();
        const program = tour(adapter);
        const handlers = { hypercall: () => results(7n) };
        const vm = adapter.createVm(host, [program], { handlers });
        vm.mmio.add({
          name: "constant",
          base: adapter.layout.device,
          size: 4096,
          device: { read: () => 0x1234_5678, write: () => {} },
        });
        const { kind } = await runAll(vm, { slice: 3 });
        const vcpu = vm.vcpus.getVcpu(0);
        return [kind, vcpu.retired, host.hal.clock.now(), vm.stats.toJSON()];
      };
      const first = await once();
      checkEqual(first[0], "shutdown", "end of the run");
      check((first[2] as number) > 0, "virtual time passes");
      checkEqual(await once(), first, "the second host");
    },
  },
  {
    name: "determinism: a run in parts ends where a run in one ends",
    async run(adapter) {
      const handlers = { hypercall: () => results(7n) };
      const make = () => adapter.createVm(adapter.createHost(), [tour(adapter)], { handlers });
      const whole = make();
      const end = await runAll(whole);
      const parts = make();
      let last = await runAll(parts, { maxInstructions: 2 });
      for (let count = 2; last.kind === "budget" && count < 10_000; count += 2) {
        checkEqual(parts.vcpus.getVcpu(0).retired, count, "instructions of the parts so far");
        last = await runAll(parts, { maxInstructions: 2 });
      }
      checkEqual([last, parts.clock.now()], [end, whole.clock.now()], "end and time of the run in parts");
    },
  },
];
