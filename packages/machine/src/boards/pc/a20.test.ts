import { describe, expect, it } from "vitest";
import { hasQemu, onOurs, onQemu } from "../testing/qemu-pc.js";
import { RegisterProgram } from "../testing/register-program.js";

/** Where the program is: bit 20 is clear. */
const BASE = 0x20_0000;
/** Two places that differ in that bit alone. */
const [HIGH, LOW] = [0x50_0000, 0x40_0000];

const gates: Record<
  string,
  readonly [close: (p: RegisterProgram) => void, open: (p: RegisterProgram) => void]
> = {
  "port 0x92": [(p) => p.out(0x92, 0), (p) => p.out(0x92, 2)],
  "commands of the keyboard controller": [(p) => p.out(0x64, 0xdd), (p) => p.out(0x64, 0xdf)],
  "its output port": [(p) => p.out(0x64, 0xd1).out(0x60, 0xdd), (p) => p.out(0x64, 0xd1).out(0x60, 0xdf)],
};

/** Two byte patterns and what becomes of them. */
function closedAndOpened(p: RegisterProgram, [close, open]: (typeof gates)[string]): void {
  p.store(HIGH, 0x1111_1111)
    .store(LOW, 0x2222_2222)
    .store(HIGH + 4, 0)
    .store(LOW + 4, 0);
  close(p);
  p.load(HIGH, "high, closed")
    .store(HIGH + 4, 0x3333_3333)
    .load(LOW + 4, "low, closed");
  // On both sides of the border: 0xfffff and 0x100000 are this and 0.
  p.store(LOW + 0x10_0000 - 4, 0x4444_4444)
    .store(LOW - 4, 0x5555_5555)
    .load(HIGH - 2, "across");
  open(p);
  p.load(HIGH, "high, opened")
    .load(HIGH + 4, "high, opened")
    .load(LOW + 4, "low, opened");
  p.load(HIGH - 4, "below high").load(LOW - 4, "below low");
}

const DIRECTORY = 0x40_8000;
const [HIGH_TABLE, LOW_TABLE] = [0x50_9000, 0x40_9000];
const PAGES = [0x60_0000, 0x62_0000] as const;
/** Linear address that the tables are for. */
const MAPPED = 0x100_0000;

/** Paging with 16 MiB as they are, and a table in one of two places behind them. */
function startPaging(p: RegisterProgram): void {
  for (let i = 0; i < 4; i++) p.store(DIRECTORY + 4 * i, (i << 22) | 0x83);
  p.store(DIRECTORY + 16, HIGH_TABLE | 3)
    .store(LOW_TABLE, PAGES[0] | 3)
    .store(HIGH_TABLE, PAGES[1] | 3)
    .store(PAGES[0], 0xaaaa_aaaa)
    .store(PAGES[1], 0xbbbb_bbbb);
  // mov eax, 10h; mov cr4, eax; mov eax, DIRECTORY; mov cr3, eax
  p.bytes(0xb8, 0x10, 0, 0, 0, 0x0f, 0x22, 0xe0, 0xb8, 0, 0x80, 0x40, 0, 0x0f, 0x22, 0xd8);
  // mov eax, cr0; or eax, 80000000h; mov cr0, eax; jmp to the next
  p.bytes(0x0f, 0x20, 0xc0, 0x0d, 0, 0, 0, 0x80, 0x0f, 0x22, 0xc0, 0xeb, 0);
}

const programs: Record<string, (p: RegisterProgram) => void> = {
  "is closed and opened by its three gates": (p) => {
    for (const gate of Object.values(gates)) closedAndOpened(p, gate);
  },
  "is as the last gate wanted it": (p) => {
    p.store(HIGH, 1).store(LOW, 2).out(0x64, 0xdd).load(HIGH).out(0x92, 2).load(HIGH);
    p.out(0x92, 0).load(HIGH).out(0x64, 0xdf).load(HIGH).in(0x92);
  },
  "is one of physical addresses, with paging": (p) => {
    startPaging(p);
    closedAndOpened(p, gates["port 0x92"]!);
    p.load(MAPPED, "table, opened").out(0x92, 0).load(MAPPED, "table, closed");
    p.out(0x92, 2).load(MAPPED, "table, opened again").load(HIGH_TABLE, "entry").load(LOW_TABLE, "entry");
  },
};

describe("address line 20", () => {
  it.skipIf(!hasQemu).each(Object.entries(programs))("%s, as on QEMU's PC", async (_, write) => {
    const program = new RegisterProgram();
    write(program);
    const expected = onQemu(program, BASE);
    expect(await onOurs(program, { base: BASE })).toEqual(expected);
    expect(await onOurs(program, { base: BASE, mode: "vm" })).toEqual(expected);
  });

  it("takes the high half away while it is closed", async () => {
    const program = new RegisterProgram();
    closedAndOpened(program, gates["port 0x92"]!);
    for (const mode of ["vm", "bare"] as const) {
      const values = await onOurs(program, { base: BASE, mode });
      expect(values.map((value) => value.split(" ").at(-1))).toEqual([
        ...["0x22222222", "0x33333333", "0x22224444"],
        ...["0x11111111", "0x0", "0x33333333", "0x44444444", "0x0"],
      ]);
    }
  });
});
