import { describe, expect, it } from "vitest";
import { hasQemu, onOurs, onQemu } from "../testing/qemu-pc.js";
import { RegisterProgram } from "../testing/register-program.js";

// The devices against QEMU's PC: programs that set registers and read them back have to see the same.

const LAPIC = 0xfee0_0000;
const IOAPIC = 0xfec0_0000;
const HPET = 0xfed0_0000;

/** Both 8259s as firmware sets them up, all masked. */
const pics = (program: RegisterProgram) =>
  program
    .out(0x20, 0x11)
    .out(0x21, 0x20, 4, 1)
    .out(0xa0, 0x11)
    .out(0xa1, 0x28, 2, 1)
    .out(0x21, 0xff)
    .out(0xa1, 0xff)
    .out(0x4d0, 0)
    .out(0x4d1, 0);

/** A byte in the keyboard controller raises interrupt 1, until it is read. */
const raise1 = (program: RegisterProgram) => program.out(0x64, 0xd2).out(0x60, 0x41).until(0x64, 1, 1);
const quietKeyboard = (program: RegisterProgram) =>
  program.drop(0x60).drop(0x60).out(0x64, 0x60).out(0x60, 0x41);

const programs: Record<string, (program: RegisterProgram) => unknown> = {
  "8259: masks, register selection, trigger modes": (p) => {
    pics(p).in(0x21).in(0xa1).out(0x21, 0x5a).in(0x21);
    p.out(0x20, 0x0b).in(0x20, "ISR").out(0x20, 0x0a).in(0x20, "IRR");
    p.out(0x4d0, 0xff).out(0x4d1, 0xff).in(0x4d0).in(0x4d1);
  },
  "8259: requests, poll and ends": (p) => {
    quietKeyboard(pics(p));
    raise1(p).out(0x20, 0x0a).in(0x20, "IRR masked");
    p.out(0x20, 0x0c).in(0x20, "poll, masked");
    p.out(0x21, 0xfd).out(0x20, 0x0c).in(0x20, "poll");
    p.out(0x20, 0x0a).in(0x20, "IRR served").out(0x20, 0x0b).in(0x20, "ISR");
    p.drop(0x60).out(0x20, 0x20).in(0x20, "ISR after EOI");
    raise1(p)
      .out(0x20, 0x0c)
      .in(0x20, "poll")
      .out(0x20, 0x0b)
      .in(0x20, "ISR")
      .out(0x20, 0x61)
      .in(0x20, "ISR after");
    p.drop(0x60);
    // Rotation: interrupt 1 becomes the lowest.
    raise1(p).out(0x20, 0x0c).in(0x20, "poll").out(0x20, 0xa0, 0x0b).in(0x20, "ISR after rotation");
  },
  // QEMU's status knows nothing of counts that are not loaded, and starts without them.
  "8254: read-back of modes and counts": (p) => {
    for (const control of [0xb0, 0xb2, 0xb4, 0xb6, 0xb8, 0xba, 0xbc, 0xbe, 0x90, 0xa0, 0xb1])
      p.out(0x61, 0)
        .out(0x43, control, 0xe8)
        .bits(0x42, 0x3f, `status of ${control.toString(16)}`);
    p.out(0x43, 0xb4)
      .out(0x42, 0x34, 0x12)
      .out(0x61, 1)
      .out(0x43, 0xe8)
      .bits(0x42, 0x3f, "status with a count");
  },
  "8254: mode 0 ends": (p) => {
    p.out(0x61, 1).out(0x43, 0xb0).out(0x42, 0xff, 0).until(0x61, 0x20, 0x20);
    p.out(0x43, 0xe8).in(0x42, "status at the end");
    p.bits(0x61, 0x2f, "port B");
  },
  "clock: registers that do not move": (p) => {
    const get = (register: number) => p.out(0x70, register).in(0x71, `register ${register.toString(16)}`);
    const set = (register: number, value: number) => p.out(0x70, register).out(0x71, value);
    get(0x0d);
    set(0x0b, 0x82);
    get(0x0b);
    for (const [register, value] of [
      ...[
        [0, 0x12],
        [2, 0x34],
        [4, 0x21],
        [7, 0x29],
        [8, 2],
        [9, 0x24],
        [0x32, 0x20],
      ],
      ...[
        [1, 0x55],
        [3, 0xc0],
        [5, 0x13],
        [0x0f, 0x5a],
        [0x40, 0xa5],
      ],
    ] as [number, number][])
      set(register, value);
    for (const register of [0, 1, 2, 3, 4, 5, 7, 8, 9, 0x32, 0x0f, 0x40]) get(register);
    set(0x0a, 0x26);
    get(0x0a);
  },
  "keyboard controller: self test, command byte, keyboard": (p) => {
    p.out(0x64, 0xaa).until(0x64, 1, 1).in(0x60, "self test");
    p.out(0x64, 0xab).until(0x64, 1, 1).in(0x60, "interface test");
    p.out(0x64, 0x60).out(0x60, 0x50).out(0x64, 0x20).until(0x64, 1, 1).in(0x60, "command byte");
    p.out(0x64, 0xae).out(0x60, 0xff).until(0x64, 1, 1).in(0x60, "reset").until(0x64, 1, 1).in(0x60, "reset");
    p.out(0x60, 0xf2)
      .until(0x64, 1, 1)
      .in(0x60, "identify")
      .until(0x64, 1, 1)
      .in(0x60)
      .until(0x64, 1, 1)
      .in(0x60);
    p.out(0x60, 0xed).until(0x64, 1, 1).in(0x60, "LEDs").out(0x60, 0).until(0x64, 1, 1).in(0x60, "LEDs");
    p.out(0x60, 0xee).until(0x64, 1, 1).in(0x60, "echo");
  },
  "I/O APIC: registers": (p) => {
    const get = (register: number) => p.store(IOAPIC, register).load(IOAPIC + 0x10, `register ${register}`);
    const set = (register: number, value: number) => p.store(IOAPIC, register).store(IOAPIC + 0x10, value);
    get(1);
    set(0, 0xff00_0000);
    get(0);
    set(0x12, 0x1_a7ff);
    set(0x13, 0xff12_3456);
    get(0x12);
    // Above bit 55, QEMU keeps what is reserved.
    p.store(IOAPIC, 0x13).load(IOAPIC + 0x13, "destination", 1);
    set(0x3e, 0x1_8042);
    get(0x3e);
  },
  "I/O APIC: edges and levels reach the local APIC": (p) => {
    quietKeyboard(pics(p));
    p.store(LAPIC + 0xf0, 0x1ff)
      .store(LAPIC + 0xe0, 0xffff_ffff)
      .store(LAPIC + 0xd0, 0x0100_0000);
    const set = (register: number, value: number) => p.store(IOAPIC, register).store(IOAPIC + 0x10, value);
    const get = (register: number, what: string) => p.store(IOAPIC, register).load(IOAPIC + 0x10, what);
    set(0x13, 0);
    set(0x12, 0x41);
    raise1(p)
      .load(LAPIC + 0x220, "IRR")
      .load(LAPIC + 0x1a0, "TMR")
      .drop(0x60);
    set(0x12, 0x8062);
    raise1(p)
      .load(LAPIC + 0x230, "IRR")
      .load(LAPIC + 0x1b0, "TMR");
    get(0x12, "remote IRR");
    p.drop(0x60);
    set(0x12, 0x1_0062);
    get(0x12, "edge again");
    // By logical destination, to nobody.
    set(0x13, 0x0200_0000);
    set(0x12, 0x0843);
    raise1(p)
      .load(LAPIC + 0x220, "IRR of another")
      .drop(0x60);
  },
  "local APIC: registers and interrupts to itself": (p) => {
    p.store(LAPIC + 0xf0, 0x1ff)
      .load(LAPIC + 0xf0)
      .load(LAPIC + 0x20);
    p.store(LAPIC + 0x80, 0x55)
      .load(LAPIC + 0x80)
      .load(LAPIC + 0xa0, "PPR")
      .store(LAPIC + 0x80, 0);
    p.store(LAPIC + 0xd0, 0xff12_3456)
      .load(LAPIC + 0xd0)
      .store(LAPIC + 0xe0, 0x0fff_ffff)
      .load(LAPIC + 0xe0);
    p.store(LAPIC + 0x320, 0x1_00f0)
      .load(LAPIC + 0x320)
      .store(LAPIC + 0x370, 0x1_00fe)
      .load(LAPIC + 0x370);
    p.store(LAPIC + 0x3e0, 0xb)
      .load(LAPIC + 0x3e0)
      .store(LAPIC + 0x380, 0)
      .load(LAPIC + 0x390);
    for (const vector of [0x31, 0x52, 0xf3])
      p.store(LAPIC + 0x310, 0).store(LAPIC + 0x300, 0x4_0000 | vector);
    for (let i = 0; i < 8; i++) p.load(LAPIC + 0x200 + 16 * i, `IRR ${i}`);
    for (let i = 0; i < 8; i++) p.load(LAPIC + 0x100 + 16 * i, `ISR ${i}`);
    p.load(LAPIC + 0x300, "ICR")
      .store(LAPIC + 0xb0, 0)
      .load(LAPIC + 0x270, "IRR 7 after an end");
  },
  "local APIC: the timer counts down and requests": (p) => {
    p.store(LAPIC + 0xf0, 0x1ff)
      .store(LAPIC + 0x3e0, 0xb)
      .store(LAPIC + 0x320, 0xf0)
      .store(LAPIC + 0x380, 1000);
    p.untilLoad(LAPIC + 0x270, 0x1_0000, 0x1_0000);
    p.load(LAPIC + 0x390, "count")
      .load(LAPIC + 0x270, "IRR")
      .load(LAPIC + 0x380, "initial count");
  },
  "local APIC: INIT and start-up IPIs": (p) => {
    p.store(LAPIC + 0xf0, 0x1ff).store(LAPIC + 0x310, 0x0100_0000);
    // At 0000:8000: mov byte [0x9000], 0x5a; cli; hlt
    p.store(0x8000, 0x9000_06c6).store(0x8004, 0xf4_fa5a);
    p.store(0x9000, 0)
      .store(LAPIC + 0x300, 0x4500)
      .load(LAPIC + 0x300, "ICR");
    // 10 ms, as the MP specification asks for.
    p.out(0x61, 1).out(0x43, 0xb0).out(0x42, 0x9c, 0x2e).until(0x61, 0x20, 0x20);
    p.load(0x9000, "before the start", 1).store(LAPIC + 0x300, 0x4608);
    p.untilLoad(0x9000, 0xff, 0x5a).load(0x9000, "after the start", 1);
  },
  "interrupts: those of the local APIC by priority": (p) => {
    pics(p);
    p.handlers(2, 0x31, 0x38, 0x45, 0x52)
      .store(LAPIC + 0xf0, 0x1ff)
      .store(LAPIC + 0x310, 0);
    for (const vector of [0x31, 0x52, 0x38]) p.store(LAPIC + 0x300, 0x4_0000 | vector);
    for (const step of ["first", "second", "third", "none"]) {
      p.open(step)
        .load(LAPIC + 0xa0, `PPR, ${step}`)
        .load(LAPIC + 0x120, `ISR 2, ${step}`);
      p.open(`${step}, before its end`).store(LAPIC + 0xb0, 0);
    }
    p.store(LAPIC + 0x80, 0x40)
      .store(LAPIC + 0x300, 0x4_0045)
      .open("held back by TPR");
    p.store(LAPIC + 0x80, 0x3f)
      .open("let through by TPR")
      .store(LAPIC + 0xb0, 0);
    p.store(LAPIC + 0x300, 0x0400).open("NMI");
  },
  "interrupts: those of the 8259 through LINT0": (p) => {
    quietKeyboard(pics(p.handlers(0x21, 0x27)));
    p.store(LAPIC + 0xf0, 0x1ff)
      .store(LAPIC + 0x350, 0x700)
      .store(LAPIC + 0x80, 0)
      .out(0x21, 0xfd);
    raise1(p).open("first").out(0x20, 0x0b).in(0x20, "ISR").drop(0x60);
    raise1(p).open("before its end").out(0x20, 0x20).open("after its end").out(0x20, 0x20).drop(0x60);
    p.store(LAPIC + 0x350, 0x1_0700);
    raise1(p).open("masked by the local APIC").drop(0x60);
  },
  "interrupts: levels through the I/O APIC come again": (p) => {
    quietKeyboard(pics(p.handlers(0x62)));
    p.store(LAPIC + 0xf0, 0x1ff).store(LAPIC + 0x80, 0);
    p.store(IOAPIC, 0x13)
      .store(IOAPIC + 0x10, 0)
      .store(IOAPIC, 0x12)
      .store(IOAPIC + 0x10, 0x8062);
    raise1(p)
      .open("first")
      .open("before its end")
      .store(LAPIC + 0xb0, 0)
      .open("after its end, still high");
    p.load(IOAPIC + 0x10, "remote IRR")
      .drop(0x60)
      .store(LAPIC + 0xb0, 0)
      .open("after its end, low");
    p.load(IOAPIC + 0x10, "no remote IRR");
  },
  "HPET: registers": (p) => {
    p.load(HPET)
      .load(HPET + 4)
      .store(HPET + 0x10, 0)
      .store(HPET + 0xf0, 0x1234)
      .store(HPET + 0xf4, 5);
    p.load(HPET + 0xf0)
      .load(HPET + 0xf4)
      .load(HPET + 0x10);
    p.store(HPET + 0x120, 0x104)
      .load(HPET + 0x120)
      .store(HPET + 0x128, 0x8765_4321)
      .load(HPET + 0x128);
    p.store(HPET + 0x140, 6)
      .store(HPET + 0x148, 0x2000)
      .store(HPET + 0x14c, 5)
      .store(HPET + 0x10, 1);
    p.untilLoad(HPET + 0x20, 4, 4);
    p.load(HPET + 0x20, "status")
      .store(HPET + 0x20, 4)
      .load(HPET + 0x20, "status cleared");
  },
  "power management: enables": (p) => {
    p.out16(0x602, 0x0521).in16(0x602, "PM1 enable");
  },
};

describe.skipIf(!hasQemu)("QEMU's PC and this one agree on", () => {
  it.each(Object.entries(programs))("%s", async (_, write) => {
    const program = new RegisterProgram();
    write(program);
    expect(await onOurs(program)).toEqual(onQemu(program));
  });
});
