import { describe, expect, it } from "vitest";
import { DeterministicClock } from "../../time/clock.js";
import { createPc } from "../pc.js";
import { testConsole } from "../testing/test-console.js";

/** Runs code in real mode at 0000:8000. */
async function run(code: readonly number[]) {
  const console = testConsole("");
  const machine = await createPc({
    mode: "bare",
    memory: 16 << 20,
    console,
    clock: new DeterministicClock(10, 1),
    kernel: { name: "code", bytes: Uint8Array.from(code) },
  });
  return { machine, console, end: await machine.run({ maxInstructions: 1_000_000, onIdle: "stop" }) };
}

/** `mov dx, port; mov ax, value; out dx, al (or ax)`. */
const out = (port: number, value: number, wide = false) => [
  ...[0xba, port & 0xff, port >> 8, 0xb8, value & 0xff, value >> 8],
  wide ? 0xef : 0xee,
];
const HANG = [0xeb, 0xfe];

describe("the end of a PC", () => {
  it.each([
    ["ACPI's soft-off", out(0x604, 0x2000, true), { kind: "shutdown", failure: false, code: 0 }],
    ["the keyboard controller's pulse", out(0x64, 0xfe), { kind: "reset" }],
    ["the reset control register", out(0xcf9, 6), { kind: "reset" }],
    ["the fast reset", out(0x92, 1), { kind: "reset" }],
  ] as const)("is %s", async (_, code, end) => {
    expect((await run([...code, ...HANG])).end).toEqual(end);
  });
});

it("tells kernels by ACPI what it has, in the BIOS area", async () => {
  const { machine } = await run([0xf4]);
  const { memory, parts } = { memory: machine.memory, parts: machine.machine };
  const text = (at: number, size: number) => new TextDecoder().decode(memory.read(at, size));
  expect(text(0xf_0000, 8)).toBe("RSD PTR ");
  const xsdt = Number(memory.readU64(0xf_0000 + 24));
  const tables = Array.from({ length: (memory.readU32(xsdt + 4) - 36) / 8 }, (_, i) =>
    Number(memory.readU64(xsdt + 36 + 8 * i)),
  );
  expect(tables.map((at) => text(at, 4))).toEqual(["FACP", "APIC", "HPET", "MCFG"]);
  // What the tables say is where the devices are.
  const fadt = tables[0]!;
  expect(parts.device("acpi-pm").base).toBe(memory.readU32(fadt + 56));
  expect(parts.device("acpi-pm").irq).toBe(memory.readU16(fadt + 46));
  expect(parts.device("pci-config").base + 1).toBe(Number(memory.readU64(fadt + 120)));
  expect(parts.device("hpet").base).toBe(Number(memory.readU64(tables[2]! + 44)));
  expect(parts.device("pci").base).toBe(Number(memory.readU64(tables[3]! + 44)));
});

it("has a screen's text in memory, and its cursor in registers", async () => {
  // mov ax, b800h; mov ds, ax; mov word [0], 1f41h; mov ax, a000h; mov ds, ax; mov word [0], 1f41h; the cursor to 0107h
  const code = [0xb8, 0x00, 0xb8, 0x8e, 0xd8, 0xc7, 0x06, 0, 0, 0x41, 0x1f];
  const graphics = [0xb8, 0x00, 0xa0, 0x8e, 0xd8, 0xc7, 0x06, 0, 0, 0x41, 0x1f, 0xa1, 0, 0];
  const { machine } = await run([
    ...code,
    ...out(0x3d4, 0x010e, true),
    ...out(0x3d4, 0x070f, true),
    ...graphics,
    0xf4,
  ]);
  expect(machine.memory.readU16(0xb_8000)).toBe(0x1f41);
  const { ports } = machine.machine;
  ports.write(0x3d4, 1, 0x0e);
  expect(ports.read(0x3d5, 1)).toBe(1);
  // There is no graphics memory.
  expect(machine.memory.contains(0xa_0000, 1)).toBe(false);
  expect(machine.vcpus[0]!.registers().find(({ name }) => name === "rax")?.value).toBe(0xffffn);
});

it("tells firmware by fw_cfg where RAM is", async () => {
  const { ports } = (await run([0xf4])).machine.machine;
  const read = (item: number, size: number) => {
    ports.write(0x510, 2, item);
    return Uint8Array.from({ length: size }, () => ports.read(0x511, 1));
  };
  const directory = read(0x19, 68);
  expect([...directory.subarray(0, 10)]).toEqual([0, 0, 0, 1, 0, 0, 0, 20, 0, 0x20]);
  expect(new TextDecoder().decode(directory.subarray(12, 20))).toBe("etc/e820");
  const view = new DataView(read(0x20, 20).buffer);
  const [base, size] = [view.getBigUint64(0, true), view.getBigUint64(8, true)];
  expect([base, size, view.getUint32(16, true)]).toEqual([0n, 16n << 20n, 1]);
});

describe("interrupts of a PC", () => {
  /** Vectors 8 and 0x70 of the 8259s have a handler that writes `value` to port 0xe9 and goes off. */
  const handler = (vector: number, value: number) => [
    // mov word [4 * vector], 0x8100; mov word [4 * vector + 2], 0
    ...[0xc7, 0x06, (4 * vector) & 0xff, (4 * vector) >> 8, 0, 0x81, 0xc7, 0x06],
    ...[(4 * vector + 2) & 0xff, (4 * vector) >> 8, 0, 0],
    // mov byte [0x8100..]: mov al, value; out 0xe9, al; mov dx, 0x604; mov ax, 0x2000; out dx, ax
    ...[0xb0, value, 0xe6, 0xe9, ...out(0x604, 0x2000, true)].flatMap((byte, i) => [
      ...[0xc6, 0x06, i, 0x81, byte],
    ]),
  ];
  const pics = [
    ...[...out(0x20, 0x11), ...out(0x21, 8), ...out(0x21, 4), ...out(0x21, 1)],
    ...[...out(0xa0, 0x11), ...out(0xa1, 0x70), ...out(0xa1, 2), ...out(0xa1, 1)],
  ];
  // sti; hlt; jmp to it
  const wait = [0xfb, 0xf4, 0xeb, 0xfd];

  it("come from the timer through the 8259 and LINT0", async () => {
    const timer = [...out(0x43, 0x34), ...out(0x40, 0), ...out(0x40, 1)];
    const { end, console } = await run([...handler(8, 0x54), ...pics, ...timer, ...wait]);
    expect([end.kind, console.text]).toEqual(["shutdown", "T"]);
  });

  it("come from the clock through both 8259s", async () => {
    const clock = [...out(0x70, 0x0b), ...out(0x71, 0x12)];
    const { end, console, machine } = await run([...handler(0x70, 0x43), ...pics, ...clock, ...wait]);
    expect([end.kind, console.text]).toEqual(["shutdown", "C"]);
    // An update a second.
    expect(machine.machine.clock.now()).toBeGreaterThanOrEqual(1e9);
  });

  it("of the I/O APIC are in snapshots", async () => {
    const { machine } = await run([0xf4]);
    expect(Object.keys(machine.snapshot().components)).toContain("ioapic");
  });
});
