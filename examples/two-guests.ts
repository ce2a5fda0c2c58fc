// A host with two virtual machines, put together from the parts: one memory, one frame allocator, one engine,
// two VMIDs and two consoles. Both guests run the same program at the same guest-physical address.
import {
  createHart,
  RISCV_FLOATING_POINT,
  RiscvPerCpu,
  type RiscvVCpu,
  riscvInstructions,
  X_NAMES,
} from "@hypercraft/arch-riscv";
import { Engine } from "@hypercraft/engine";
import { GuestPageTable, MappingFlags, sv39x4 } from "@hypercraft/guest-page-table";
import {
  guestPhysAddr,
  Host,
  hostPhysAddr,
  InstructionClock,
  MemoryHal,
  pagingOf,
  VmCpus,
} from "@hypercraft/hypercraft";

const MIB = 1 << 20;
const RAM = guestPhysAddr(0x8000_0000);
const memory = new WebAssembly.Memory({ initial: 512, maximum: 512 }); // 32 MiB
const clock = new InstructionClock(10);
// The engine works in the first 24 MiB; guests and their tables get frames of the rest.
const hal = new MemoryHal({ memory, clock, base: hostPhysAddr(0x1_0000_0000), offset: 24 * MIB });
const engine = new Engine({
  memory,
  arena: { offset: 0, size: 24 * MIB },
  ram: { ramOffset: (pa) => (pa >= hal.base && pa < hal.base + hal.size ? hal.physToVirt(pa) : -1) },
  floatingPoint: RISCV_FLOATING_POINT,
});
const host = new Host({ hal });

const insn = (name: string, operands = {}) => riscvInstructions.named(name).encode(operands);
const x = (name: string) => X_NAMES.indexOf(name);
const [a0, s0, s1, a7] = [x("a0"), x("s0"), x("s1"), x("a7")];
const program = [
  insn("addi", { rd: a7, imm: 1 }), // SBI: console putchar
  insn("addi", { rd: a0, rs1: s0 }),
  insn("ecall"),
  insn("addi", { rd: s1, rs1: s1, imm: -1 }),
  insn("bne", { rs1: s1, offset: -12 }),
  insn("addi", { rd: a7, imm: 8 }), // SBI: shutdown
  insn("ecall"),
];

function addGuest(cpuId: number, letter: string) {
  const ram = hal.allocPages(1)!;
  new Uint32Array(memory.buffer, hal.physToVirt(ram), program.length).set(program);
  engine.ramWritten(hal.physToVirt(ram), program.length * 4); // as after every write that is not a guest's
  // The guest has no devices, so the hart's own bus is empty.
  const bus = { read: () => -1, write: () => false };
  const { core, hart } = createHart(engine, { hartId: cpuId, mode: "vm", clock, bus });
  const cpu = new RiscvPerCpu(cpuId, core, hart);
  cpu.hardwareEnable();
  const vcpus = new VmCpus<RiscvVCpu>();
  vcpus.addVcpu(cpu.createVcpu(0, RAM));
  const { READ, WRITE, EXECUTE, USER } = MappingFlags;
  const vm = host.createVm({
    name: `guest ${letter}`,
    vcpus,
    guestPageTable: (vmid) => {
      const table = new GuestPageTable(sv39x4, pagingOf(hal), vmid);
      table.mapRegion(RAM, ram, 4096, READ | WRITE | EXECUTE | USER);
      return table;
    },
    console: {
      write: (bytes) => console.log(`${vm.name}: ${String.fromCharCode(...bytes)}`),
      read: () => -1,
    },
  });
  const vcpu = vm.initVcpu(0);
  vcpu.setGpr(s0, BigInt(letter.charCodeAt(0)));
  vcpu.setGpr(s1, 3n);
  return vm;
}

for (const vm of [addGuest(0, "A"), addGuest(1, "B")]) {
  const address = vm.guestPageTable.translate(RAM)?.toString(16);
  console.log(`${vm.name}: VMID ${vm.vmid}, 0x${RAM.toString(16)} is 0x${address}`);
}
for (const [vmid, { kind }] of await host.run({ slice: 4 })) console.log(`VMID ${vmid}: ${kind}`);
