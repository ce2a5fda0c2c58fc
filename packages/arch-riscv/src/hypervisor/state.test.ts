import type { Tier } from "@hypercraft/engine";
import { InstructionClock } from "@hypercraft/hypercraft";
import { movedVm, refusesState, registersOf } from "@hypercraft/hypercraft/testing/rig";
import { describe, expect, test } from "vitest";
import {
  assembleGuest,
  createCpu,
  createRig,
  createRigVm,
  type Guest,
  RAM,
  RAM_SIZE,
  type RiscvVm,
  reg,
  runTo,
  STOP,
} from "../testing/vm/rig.js";
import { BASE, HSM, IPI, sbi, TIME } from "../testing/vm/sbi-text.js";

const DEVICE = 0x1000_0000;

/** A fresh VM that goes on where the guest's is. */
const moved = ({ vm }: Guest): RiscvVm =>
  movedVm(vm, { base: RAM, size: RAM_SIZE }, (clock, cpus) =>
    createRigVm(createRig(clock), new Array<number>(cpus).fill(RAM)),
  );

/** Devices, calls, timers, floating point, a reservation and waits, of two harts. */
const BUSY = `
  la t0, handler
  csrw stvec, t0
  li t0, 0x2022
  csrs sstatus, t0
  csrs sie, t0
  bnez a0, loop
  li a0, 1
  la a1, start
  li a7, ${HSM}
  li a6, 0
  ecall
  loop:
  addi s2, s2, 1
  fcvt.d.l fa0, s2
  fmul.d fa1, fa0, fa0
  li t0, ${RAM + 0x1f_0000}
  lr.d t1, (t0)
  addi t1, t1, 3
  sc.d t2, t1, (t0)
  add s3, s3, t2
  li t0, ${DEVICE}
  lw t1, 0(t0)
  add s4, s4, t1
  sw s4, 4(t0)
  ${sbi(BASE, 0)}
  csrr t1, hgatp
  rdtime a0
  addi a0, a0, 9
  ${sbi(TIME, 0)}
  li t0, 0x20
  csrs sie, t0
  wfi
  ${sbi(IPI, 0, 3, 0)}
  j loop
  .align 4
  handler:
  csrr t1, scause
  bltz t1, interrupt
  csrr t1, sepc
  addi t1, t1, 4
  csrw sepc, t1
  sret
  interrupt:
  csrci sip, 2
  li t1, -1
  csrw stimecmp, t1
  addi s5, s5, 1
  sret
  start: li a0, 1
  j begin
`;

const busy = (tier: Tier): Guest => {
  const rig = createRig(new InstructionClock(), tier);
  const guest = assembleGuest(`begin:\n${BUSY}`, { cpus: 2, rig });
  addDevice(guest.vm);
  return guest;
};

function addDevice(vm: RiscvVm): void {
  vm.mmio.add({ name: "counter", base: DEVICE, size: 16, device: { read: () => 5, write: () => {} } });
}

describe("a vCPU's state", () => {
  test.each(["cold", "hot"] as const)(
    "carries a VM over to another host at any instruction, and both go the same way: %s tier",
    async (tier) => {
      // From 20 to 33: within the loop, between load-reserved and store-conditional, around calls and accesses.
      for (const at of [1, 7, 20, 21, 22, 25, 27, 28, 33, 1000]) {
        const guest = busy(tier);
        await guest.vm.run({ slice: 100, onIdle: "stop", maxInstructions: at });
        const copy = moved(guest);
        addDevice(copy);
        expect(registersOf(copy)).toEqual(registersOf(guest.vm));
        for (const vm of [guest.vm, copy])
          await vm.run({ slice: 100, onIdle: "stop", maxInstructions: 5000 });
        expect(registersOf(copy), `moved after ${at}`).toEqual(registersOf(guest.vm));
        expect(copy.clock.now()).toBe(guest.vm.clock.now());
        expect(copy.memory!.readU64(RAM + 0x1f_0000)).toBe(guest.vm.memory!.readU64(RAM + 0x1f_0000));
      }
    },
  );

  test("holds an answer that was given and not used yet", () => {
    const guest = assembleGuest(`li a0, ${DEVICE}\nlw a1, 0(a0)\n${STOP}`);
    runTo(guest.vcpu, "mmioRead");
    guest.vcpu.completeExit({ kind: "value", lo: 0x77, hi: 0 });
    const vcpu = moved(guest).vcpus.getVcpu(0);
    runTo(vcpu, "hypercall");
    expect(reg(vcpu, "a1")).toBe(0x77n);
  });

  test("says whether the hart is suspended, which another hart can ask", async () => {
    const guest = assembleGuest(
      `
      bnez a0, other
      li a0, 1
      la a1, other
      li a7, ${HSM}
      li a6, 0
      ecall
      li t0, 300
      wait: addi t0, t0, -1
      bnez t0, wait
      asked: ${sbi(HSM, 2, 1)}
      ${STOP}
      other: ${sbi(HSM, 3, 0, 0, 0)}
      spin: j spin
    `,
      { cpus: 2 },
    );
    await guest.vm.run({ slice: 50, maxInstructions: 400 });
    expect([...guest.vm.vcpus].map(({ suspended }) => suspended)).toEqual([false, true]);
    const vm = moved(guest);
    expect([...vm.vcpus].map(({ suspended }) => suspended)).toEqual([false, true]);
    const vcpu = vm.vcpus.getVcpu(0);
    runTo(vcpu, "hypercall");
    expect(reg(vcpu, "a1")).toBe(4n);
  });

  test("cannot be had while an exit waits for its answer, and is refused when it is another's", () => {
    const { vcpu } = assembleGuest(`li a0, ${DEVICE}\nlw a1, 0(a0)`);
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
  const { vcpu } = assembleGuest(`li a0, ${DEVICE}\nlw a1, 0(a0)\n${STOP}`);
  runTo(vcpu, "mmioRead");
  vcpu.completeExit({ kind: "value", lo: 0x77, hi: 0 });
  vcpu.powerOff();
  vcpu.powerOn(RAM, 0n);
  expect(runTo(vcpu, "mmioRead").gpa).toBe(DEVICE);
});

describe("a host CPU", () => {
  test("has one vCPU, for the hart is what the guest runs on", () => {
    const cpu = createCpu(createRig(), 3);
    cpu.hardwareEnable();
    cpu.createVcpu(0, RAM);
    expect(() => cpu.createVcpu(1, RAM)).toThrow("hart 3 has vCPU 0 already");
  });

  test("without Sstc cannot give a guest its timer", () => {
    const cpu = createCpu(createRig(), 0, { sstc: false });
    expect(cpu.hasHardwareSupport()).toBe(true);
    expect(() => cpu.hardwareEnable()).toThrow("hart 0 has no vstimecmp (Sstc)");
    expect(cpu.enabled).toBe(false);
  });
});

test("two VMs on one engine: same addresses, same ASIDs, their own VMIDs, memory and translations", async () => {
  const rig = createRig();
  const TABLES = RAM + 0x10_0000;
  const DATA = RAM + 0x11_0000;
  const source = (own: number) => `
    li t0, ${0x8000_0000_0000_0000n | (1n << 44n) | (BigInt(TABLES) >> 12n)}
    csrw satp, t0
    li s2, 2000
    li s3, ${0x4000_0000 + DATA - RAM}
    loop:
    ld t1, 0(s3)
    add s4, s4, t1
    addi t1, t1, ${own}
    sd t1, 0(s3)
    addi s2, s2, -1
    bnez s2, loop
    ${sbi(0x53525354, 0, 0, 0)}
  `;
  const guests = [1, 2].map((own) => {
    const guest = assembleGuest(source(own), { rig });
    // RAM where it is, and once more a gigabyte below.
    for (const entry of [8, 16])
      guest.vm.memory!.writeU64(TABLES + entry, ((BigInt(RAM) >> 12n) << 10n) | 0xcfn);
    return guest;
  });
  const ends = await rig.host.run({ slice: 37 });
  expect([...ends.values()].map(({ kind }) => kind)).toEqual(["shutdown", "shutdown"]);
  const vmids = guests.map(({ vcpu }) => (vcpu.hart.readCsr("hgatp") >> 44n) & 0x3fffn);
  expect(vmids).toEqual(guests.map(({ vm }) => BigInt(vm.vmid)));
  expect(new Set(vmids).size).toBe(2);
  for (const [i, { vcpu, vm }] of guests.entries()) {
    const own = BigInt(i + 1);
    expect(reg(vcpu, "s4")).toBe((own * 2000n * 1999n) / 2n);
    expect(vm.memory!.readU64(DATA)).toBe(own * 2000n);
  }
});
