import { InstructionClock } from "@hypercraft/hypercraft";
import { movedVm, refusesState, registersOf } from "@hypercraft/hypercraft/testing/rig";
import { describe, expect, test } from "vitest";
import {
  type ArmVm,
  assembleGuest,
  createCpu,
  createRig,
  createRigVm,
  type Guest,
  RAM,
  RAM_SIZE,
  reg,
  runTo,
  STOP,
} from "../testing/vm/rig.js";
import { decodeTables, identityTables } from "../testing/vm/tables.js";

const DEVICE = 0x1000_0000;
const CPU_SUSPEND = 0xc400_0001;
const CPU_ON = 0xc400_0003;

/** A fresh VM that goes on where the guest's is. */
const moved = ({ vm }: Guest): ArmVm =>
  movedVm(vm, { base: RAM, size: RAM_SIZE }, (clock, cpus) =>
    createRigVm(createRig(clock), new Array<number>(cpus).fill(RAM)),
  );

/** Devices by pairs, calls, ID registers, vectors, exclusives, two vCPUs; through tables of its own. */
const TABLES = decodeTables(identityTables(RAM + 0x10_0000, [[BigInt(DEVICE) + 0x8000_0000n, DEVICE]]));
const BUSY = `
  pe0: li x0, ${CPU_ON}; li x1, 1; adr x2, pe1; hvc #0
  pe1: li x0, 0x300000; msr CPACR_EL1, x0; ${TABLES.enable}
  loop: add x20, x20, #1
  adr x9, exclusive
  again: ldxr x10, [x9]; add x10, x10, #3; stxr w11, x10, [x9]; cbnz w11, again
  li x9, ${DEVICE + 0x8000_0000}
  ldp w10, w11, [x9]; add x21, x21, x10; add x22, x22, x11
  stp w21, w22, [x9, #8]
  ldr q1, [x9]; str q1, [x9]; ldr d2, [x9]
  li x0, 0x84000000; hvc #0; add x23, x23, x0
  mrs x10, ID_AA64PFR0_EL1
  mrs x24, CNTVCT_EL0
  b loop
  .align 8
  exclusive: .dword 0
  .align 2048
`;

const busy = (tier: "cold" | "hot"): Guest => {
  const guest = assembleGuest(`${BUSY}`, { cpus: 2, rig: createRig(new InstructionClock(), tier) });
  TABLES.write(guest.vm.memory!);
  addDevice(guest.vm);
  return guest;
};

function addDevice(vm: ArmVm): void {
  vm.mmio.add({ name: "counter", base: DEVICE, size: 16, device: { read: () => 5, write: () => {} } });
}

describe("a vCPU's state", () => {
  test.each(["cold", "hot"] as const)(
    "carries a VM over to another host at any instruction, and both go the same way: %s tier",
    async (tier) => {
      for (const at of [1, 36, 37, 38, 39, 40, 42, 44, 1000]) {
        const guest = busy(tier);
        await guest.vm.run({ slice: 100, onIdle: "stop", maxInstructions: at });
        const copy = moved(guest);
        addDevice(copy);
        expect(registersOf(copy)).toEqual(registersOf(guest.vm));
        for (const vm of [guest.vm, copy])
          await vm.run({ slice: 100, onIdle: "stop", maxInstructions: 3000 });
        // Both vCPUs are at it.
        for (const vcpu of guest.vm.vcpus) expect(reg(vcpu, "x20")).toBeGreaterThan(20n);
        expect(registersOf(copy), `moved after ${at}`).toEqual(registersOf(guest.vm));
        expect(copy.clock.now()).toBe(guest.vm.clock.now());
      }
    },
  );

  test("holds the answers that an instruction has had, until it has them all", () => {
    const guest = assembleGuest(`li x9, ${DEVICE}; ldp x10, x11, [x9]; ${STOP}`);
    runTo(guest.vcpu, "mmioRead");
    guest.vcpu.completeExit({ kind: "value", lo: 0x77, hi: 0 });
    const vcpu = moved(guest).vcpus.getVcpu(0);
    expect(runTo(vcpu, "mmioRead").gpa).toBe(DEVICE + 8);
    vcpu.completeExit({ kind: "value", lo: 0x88, hi: 1 });
    runTo(vcpu, "hypercall");
    expect([reg(vcpu, "x10"), reg(vcpu, "x11")]).toEqual([0x77n, 0x1_0000_0088n]);
  });

  test("says whether the vCPU is suspended", async () => {
    const guest = assembleGuest(`li x0, ${CPU_SUSPEND}; li x1, 0; hvc #0; ${STOP}`);
    await guest.vm.run({ onIdle: "stop" });
    expect(guest.vcpu.suspended).toBe(true);
    const vcpu = moved(guest).vcpus.getVcpu(0);
    expect([vcpu.state, vcpu.suspended]).toEqual(["Blocked", true]);
    vcpu.setInterrupt(0, true);
    vcpu.wake();
    runTo(vcpu, "hypercall");
    expect([vcpu.suspended, reg(vcpu, "x0")]).toEqual([false, 0n]);
  });

  test("cannot be had while an exit waits for its answer, and is refused when it is another's", () => {
    const { vcpu } = assembleGuest(`li x9, ${DEVICE}; ldr w10, [x9]`);
    const state = vcpu.save();
    runTo(vcpu, "mmioRead");
    expect(() => vcpu.save()).toThrow("its mmioRead exit was not answered");
    expect(refusesState(vcpu, { ...state, version: 2 })).toBe(true);
    const { pc: _, ...fields } = state.core.fields;
    expect(refusesState(vcpu, { ...state, core: { ...state.core, fields } })).toBe(true);
    // A refused state has changed nothing.
    expect(vcpu.pendingExit?.kind).toBe("mmioRead");
  });
});

test("powering off drops what was pending: an answer given before is not used by what runs after", () => {
  const { vcpu } = assembleGuest(`li x9, ${DEVICE}; ldr w10, [x9]; ${STOP}`);
  runTo(vcpu, "mmioRead");
  vcpu.completeExit({ kind: "value", lo: 0x77, hi: 0 });
  vcpu.powerOff();
  vcpu.powerOn(RAM, 0n);
  expect(runTo(vcpu, "mmioRead").gpa).toBe(DEVICE);
});

test("a host CPU has one vCPU, for the PE is what the guest runs on; and it must be at EL2", () => {
  const cpu = createCpu(createRig(), 3);
  expect(cpu.hasHardwareSupport()).toBe(true);
  cpu.hardwareEnable();
  const vcpu = cpu.createVcpu(0, RAM);
  expect(() => cpu.createVcpu(1, RAM)).toThrow("PE 3 has vCPU 0 already");
  vcpu.pe.setLevel(1, 1);
  expect(cpu.hasHardwareSupport()).toBe(false);
});

test("two VMs on one engine: same addresses, same ASIDs, their own VMIDs, memory and translations", async () => {
  const rig = createRig();
  const tables = decodeTables(identityTables(RAM + 0x10_0000, []));
  const DATA = RAM + 0x11_0000;
  const guests = [1, 2].map((own) => {
    const guest = assembleGuest(
      `${tables.enable}
       li x5, 2000; li x9, ${DATA}
       loop: ldr x10, [x9]; add x20, x20, x10; add x10, x10, #${own}; str x10, [x9]
       sub x5, x5, #1; cbnz x5, loop
       li x0, 0x84000008; hvc #0`,
      { rig },
    );
    tables.write(guest.vm.memory!);
    return guest;
  });
  const ends = await rig.host.run({ slice: 37 });
  expect([...ends.values()].map(({ kind }) => kind)).toEqual(["shutdown", "shutdown"]);
  const vmids = guests.map(({ vcpu }) => vcpu.pe.readSystem("VTTBR_EL2") >> 48n);
  expect(vmids).toEqual(guests.map(({ vm }) => BigInt(vm.vmid)));
  expect(new Set(vmids).size).toBe(2);
  for (const [i, { vcpu, vm }] of guests.entries()) {
    const own = BigInt(i + 1);
    expect(reg(vcpu, "x20")).toBe((own * 2000n * 1999n) / 2n);
    expect(vm.memory!.readU64(DATA)).toBe(own * 2000n);
  }
});
