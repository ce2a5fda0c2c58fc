import type { AccessWidth } from "../device-bus.js";
import { FAULT } from "../exit-handlers.js";
import { formatReport } from "../report.js";
import type { CaseTemplate } from "./conformance.js";
import { extend, RecordingDevice, results, runAll, runTo, value } from "./drive.js";
import { check, checkEqual } from "./expectations.js";
import type { GuestProgram } from "./guest-program.js";

const WIDTHS: readonly AccessWidth[] = [1, 2, 4, 8];

/** Every byte tells its place; one pattern with all sign bits clear, one with all of them set. */
const PATTERNS = [
  0x0102_0304_0506_0708n,
  0xf1f2_f3f4_f5f6_f7f8n,
  0x7fff_ffff_7fff_7f7fn,
  0x8000_0000_8000_8080n,
];

const low = (pattern: bigint): number => Number(pattern & 0xffff_ffffn);
const high = (pattern: bigint): number => Number(pattern >> 32n);

function loadCase(width: AccessWidth, signed: boolean): CaseTemplate {
  return {
    name: `mmio: a load of ${width} bytes, ${signed ? "sign" : "zero"}-extended`,
    run(adapter) {
      const { layout, scratch } = adapter;
      for (const [index, pattern] of PATTERNS.entries()) {
        const address = layout.device + 8 * index;
        const program: GuestProgram = [
          { op: "set", reg: 2, value: 0x5555_5555_5555_5555n },
          { op: "load", reg: 2, address, width, signed },
          { op: "hypercall", nr: 1, args: [0n, 0n, 0n], result: 3 },
          { op: "spin" },
        ];
        const vcpu = adapter.createVm(adapter.createHost(), [program]).vcpus.getVcpu(0);
        const exit = runTo(vcpu, "mmioRead");
        checkEqual([exit.gpa, exit.width], [address, width], "address and width of the exit");
        if (exit.reg >= 0) {
          checkEqual(exit.reg, scratch[2], "destination of the exit");
          if (width < 8) checkEqual(exit.signed, signed, "sign extension of the exit");
          check(exit.regWidth >= width, "the destination is as wide as the access");
        }
        // Bytes above the width are nobody's: they must not reach the register.
        vcpu.completeExit(value(low(pattern), high(pattern)));
        runTo(vcpu, "hypercall");
        checkEqual(
          vcpu.getGpr(scratch[2]),
          extend(pattern, width, signed),
          `0x${pattern.toString(16)} loaded`,
        );
      }
    },
  };
}

function storeCase(width: AccessWidth): CaseTemplate {
  return {
    name: `mmio: a store of ${width} bytes`,
    run(adapter) {
      const { layout, scratch } = adapter;
      for (const [index, pattern] of PATTERNS.entries()) {
        const address = layout.device + 8 * index;
        const program: GuestProgram = [
          { op: "set", reg: 1, value: pattern },
          { op: "store", reg: 1, address, width },
          { op: "hypercall", nr: 1, args: [0n, 0n, 0n], result: 3 },
          { op: "spin" },
        ];
        const vcpu = adapter.createVm(adapter.createHost(), [program]).vcpus.getVcpu(0);
        const exit = runTo(vcpu, "mmioWrite");
        checkEqual([exit.gpa, exit.width], [address, width], "address and width of the exit");
        if (exit.reg >= 0) checkEqual(exit.reg, scratch[1], "source of the exit");
        const stored = extend((BigInt(exit.hi >>> 0) << 32n) | BigInt(exit.lo >>> 0), width, false);
        checkEqual(stored, extend(pattern, width, false), `0x${pattern.toString(16)} stored`);
        vcpu.completeExit({ kind: "done" });
        runTo(vcpu, "hypercall");
        checkEqual(vcpu.getGpr(scratch[1]), pattern, "the source register afterwards");
      }
    },
  };
}

const CALL = { op: "hypercall", nr: 1, args: [0n, 0n, 0n], result: 3 } as const;

/** Loads, stores, devices on the VM's bus, and what happens where there is none. */
export const mmioCases: readonly CaseTemplate[] = [
  ...WIDTHS.flatMap((width) => [loadCase(width, false), loadCase(width, true)]),
  ...WIDTHS.map(storeCase),
  {
    name: "mmio: RAM does not exit",
    run(adapter) {
      const { layout, scratch } = adapter;
      const program: GuestProgram = [
        { op: "set", reg: 0, value: 0x8899_aabb_ccdd_eeffn },
        { op: "store", reg: 0, address: layout.ram + 16, width: 8 },
        { op: "load", reg: 1, address: layout.ram + 16, width: 8, signed: false },
        { op: "load", reg: 2, address: layout.ram + 22, width: 2, signed: true },
        CALL,
        { op: "spin" },
      ];
      const vcpu = adapter.createVm(adapter.createHost(), [program]).vcpus.getVcpu(0);
      runTo(vcpu, "hypercall");
      checkEqual(vcpu.getGpr(scratch[1]), 0x8899_aabb_ccdd_eeffn, "8 bytes read back");
      checkEqual(vcpu.getGpr(scratch[2]), 0xffff_ffff_ffff_8899n, "the last 2 of them, sign-extended");
    },
  },
  {
    name: "mmio: a device on the VM's bus answers, 8 bytes as two accesses of 4, low half first",
    async run(adapter) {
      const { layout, scratch } = adapter;
      const program: GuestProgram = [
        { op: "load", reg: 0, address: layout.device + 0x108, width: 8, signed: false },
        { op: "load", reg: 1, address: layout.device + 0x101, width: 1, signed: true },
        { op: "store", reg: 0, address: layout.device + 0x110, width: 8 },
        { op: "store", reg: 1, address: layout.device + 0x11e, width: 2 },
        CALL,
        { op: "spin" },
      ];
      const handlers = { hypercall: () => ({ kind: "end", result: { kind: "stopped" } }) as const };
      const vm = adapter.createVm(adapter.createHost(), [program], { handlers });
      const device = new RecordingDevice(0x8081_8283_8485_8687n);
      vm.mmio.add({ name: "recorder", base: layout.device + 0x100, size: 0x100, device });
      checkEqual((await runAll(vm)).kind, "stopped", "end of the run");
      const vcpu = vm.vcpus.getVcpu(0);
      checkEqual(vcpu.getGpr(scratch[0]), 0x8081_8283_8485_8687n, "8 bytes read");
      checkEqual(vcpu.getGpr(scratch[1]), 0xffff_ffff_ffff_ff86n, "1 byte read, sign-extended");
      checkEqual(
        device.accesses,
        [
          { type: "read", offset: 8, width: 4, value: 0x8485_8687 },
          { type: "read", offset: 12, width: 4, value: 0x8081_8283 },
          { type: "read", offset: 1, width: 1, value: 0x86 },
          { type: "write", offset: 0x10, width: 4, value: 0x8485_8687 },
          { type: "write", offset: 0x14, width: 4, value: 0x8081_8283 },
          { type: "write", offset: 0x1e, width: 2, value: 0xff86 },
        ],
        "what the device saw",
      );
    },
  },
  {
    name: "mmio: an access that nobody answers can be turned into the guest's own fault",
    run(adapter) {
      const { layout, scratch } = adapter;
      const program: GuestProgram = [
        { op: "set", reg: 0, value: 77n },
        { op: "load", reg: 0, address: layout.hole, width: 4, signed: false },
        { op: "spin" },
      ];
      const vcpu = adapter.createVm(adapter.createHost(), [program]).vcpus.getVcpu(0);
      runTo(vcpu, "mmioRead");
      vcpu.completeExit(FAULT);
      // What follows is the architecture's business; it must not be a JavaScript exception.
      const next = vcpu.run(1);
      check(next.kind.length > 0, "the vCPU goes on");
      const loaded = vcpu.getGpr(scratch[0]);
      const untouchedOrOpenBus = loaded === 77n || loaded === 0xffff_ffffn;
      check(untouchedOrOpenBus, `the destination of the load that faulted holds 0x${loaded.toString(16)}`);
    },
  },
  {
    name: "report: an unmapped access can end the VM, with reason, pc, instruction and registers",
    async run(adapter) {
      const { layout, scratch } = adapter;
      const program: GuestProgram = [
        { op: "set", reg: 0, value: 0xabcd_ef01_2345_6789n },
        { op: "store", reg: 0, address: layout.hole + 4, width: 4 },
        { op: "spin" },
      ];
      const vm = adapter.createVm(adapter.createHost(), [program], { name: "lost", unmapped: "report" });
      const result = await runAll(vm);
      check(result.kind === "failed", `the run fails, it does not end with ${result.kind}`);
      const { report } = result;
      const vcpu = vm.vcpus.getVcpu(0);
      checkEqual(report.exit?.kind, "mmioWrite", "exit in the report");
      checkEqual([report.vmName, report.vcpuId], ["lost", 0], "VM and vCPU in the report");
      checkEqual(report.pc, vcpu.getPc(), "pc in the report");
      check(report.reason.includes("mmioWrite"), "the reason names the kind of exit");
      check(report.instruction.length > 0, "the report shows the instruction");
      const name = vcpu.gprNames[scratch[0]];
      const register = report.registers.find((entry) => entry.name === name);
      checkEqual(register?.value, 0xabcd_ef01_2345_6789n, `register ${name} in the report`);
      for (const general of vcpu.gprNames) {
        if (general === vcpu.gprNames[adapter.zeroRegister ?? -1]) continue;
        check(
          report.registers.some((entry) => entry.name === general),
          `register ${general} is in the report`,
        );
      }
      const text = formatReport(report);
      for (const part of ["lost", "mmioWrite", vcpu.getPc().toString(16), "abcdef0123456789", adapter.arch])
        check(text.includes(part), `the report's text contains ${part}`);
    },
  },
  {
    name: "report: a hypercall that nobody handles ends the VM",
    async run(adapter) {
      const vm = adapter.createVm(adapter.createHost(), [[CALL, { op: "spin" }]]);
      const result = await runAll(vm);
      check(result.kind === "failed", `the run fails, it does not end with ${result.kind}`);
      checkEqual(result.report.exit?.kind, "hypercall", "exit in the report");
      checkEqual(vm.result?.kind, "failed", "the VM's result");
    },
  },
  {
    name: "isolation: two VMs of one host share no RAM, no device and no console",
    async run(adapter) {
      const { layout, scratch } = adapter;
      const nops = Array.from({ length: 50 }, () => ({ op: "nop" }) as const);
      const program = (own: bigint): GuestProgram => [
        { op: "set", reg: 0, value: own },
        { op: "store", reg: 0, address: layout.ram, width: 8 },
        ...nops,
        { op: "load", reg: 1, address: layout.ram, width: 8, signed: false },
        { op: "load", reg: 2, address: layout.device, width: 8, signed: false },
        { op: "shutdown", failure: false },
      ];
      const host = adapter.createHost();
      const own = [0x1111_1111_1111_1111n, 0x2222_2222_2222_2222n];
      const vms = own.map((pattern) => {
        const vm = adapter.createVm(host, [program(pattern)]);
        const device = new RecordingDevice(pattern * 2n);
        vm.mmio.add({ name: "own", base: layout.device, size: 64, device });
        return { vm, device, pattern };
      });
      const ends = await runAll(host, { slice: 10 });
      checkEqual(ends.size, 2, "VMs that ended");
      for (const { vm, device, pattern } of vms) {
        const vcpu = vm.vcpus.getVcpu(0);
        checkEqual(ends.get(vm.vmid)?.kind, "shutdown", `end of ${vm.name}`);
        checkEqual(vcpu.getGpr(scratch[1]), pattern, `RAM of ${vm.name}`);
        checkEqual(vcpu.getGpr(scratch[2]), pattern * 2n, `device of ${vm.name}`);
        checkEqual(device.accesses.length, 2, `accesses to the device of ${vm.name}`);
      }
      const [first, second] = vms;
      check(first?.vm.vmid !== second?.vm.vmid, "the VMIDs differ");
      check(first?.vm.console !== second?.vm.console, "the consoles differ");
    },
  },
  {
    name: "isolation: two hosts in one process share nothing",
    run(adapter) {
      const { layout, scratch } = adapter;
      const writer: GuestProgram = [
        { op: "set", reg: 0, value: 0x9999n },
        { op: "store", reg: 0, address: layout.ram + 8, width: 8 },
        CALL,
        { op: "spin" },
      ];
      const reader: GuestProgram = [
        { op: "load", reg: 1, address: layout.ram + 8, width: 8, signed: false },
        CALL,
        { op: "spin" },
      ];
      const hosts = [adapter.createHost(), adapter.createHost()] as const;
      const other = adapter.createVm(hosts[1], [reader]).vcpus.getVcpu(0);
      const one = adapter.createVm(hosts[0], [writer]).vcpus.getVcpu(0);
      runTo(one, "hypercall");
      one.completeExit(results(0n));
      runTo(other, "hypercall");
      checkEqual(other.getGpr(scratch[1]), 0n, "RAM of the other host's VM");
    },
  },
];
