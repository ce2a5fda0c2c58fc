import type { LoadPlan } from "../../loaders/plan.js";
import type { PortBus } from "../../memory/port-bus.js";

// What a BIOS leaves to what it starts (IBM PS/2 and PC BIOS Interface Technical Reference): vectors of real mode, its
// data area, the 8259s and the timer at work. Its services are few: there is no screen, keyboard or disk to serve.

const VECTORS = 256;
const DATA_AREA = 0x400;
/** Vectors and data together. */
const LOW_END = 0x500;
const SEGMENT = 0xf000;
/** Offset in that segment of the code; it ends with the code of the reset vector. */
const CODE = 0xfe00;
const CODE_SIZE = 0x200;
const RESET = 0xfff0;
/** Extended data: the last KiB below the video memory. */
const EXTENDED_DATA = 0x9fc0;
const KIB_OF_MEMORY = 639;
/** A floating-point unit, two serial ports. */
const EQUIPMENT = 0x0402;
const SERIAL_PORTS = [0x3f8, 0x2f8];

/** Vectors of the interrupts of the two 8259s. */
const IRQ_BASES = [0x08, 0x70] as const;
const TIMER = 0x08;

const IRET = [0xcf];
/** push ax; mov al, 20h; out 20h, al; pop ax; iret */
const END_FIRST = [0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, ...IRET];
/** push ax; mov al, 20h; out a0h, al; out 20h, al; pop ax; iret */
const END_BOTH = [0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x58, ...IRET];
/** push ds; push ax; xor ax, ax; mov ds, ax; inc dword [46ch]; int 1ch; mov al, 20h; out 20h, al; pop ax; pop ds; iret */
const TICK = [
  ...[0x1e, 0x50, 0x31, 0xc0, 0x8e, 0xd8, 0x66, 0xff, 0x06, 0x6c, 0x04],
  ...[0xcd, 0x1c, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0x1f, ...IRET],
];
/** INT 10h, AH = 0eh shows AL. cmp ah, 0eh; jne 1f; push dx; mov dx, 3f8h; out dx, al; pop dx; 1: iret */
const SHOW = [0x80, 0xfc, 0x0e, 0x75, 0x06, 0x52, 0xba, 0xf8, 0x03, 0xee, 0x5a, ...IRET];
/** mov ax, value; iret */
const give = (value: number): number[] => [0xb8, value & 0xff, value >> 8, ...IRET];
/** push bp; mov bp, sp; or byte [bp + 6], bits of the caller's flags; pop bp; iret */
const setFlags = (bits: number): number[] => [0x55, 0x89, 0xe5, 0x80, 0x4e, 0x06, bits, 0x5d, ...IRET];
/** Not served: CF, AH = 86h. */
const REFUSE = [0xb4, 0x86, ...setFlags(0x01)];
/** No key: ZF. */
const NO_KEY = setFlags(0x40);
/**
 * INT 1ah, AH = 0 gives the ticks in CX:DX. or ah, ah; jne 1f; push ds; xor cx, cx; mov ds, cx; mov dx, [46ch];
 * mov cx, [46eh]; pop ds; xor al, al; 1: iret
 */
const TICKS = [
  ...[0x08, 0xe4, 0x75, 0x10, 0x1e, 0x31, 0xc9, 0x8e, 0xd9, 0x8b, 0x16, 0x6c, 0x04],
  ...[0x8b, 0x0e, 0x6e, 0x04, 0x1f, 0x30, 0xc0, ...IRET],
];
/** The keyboard controller resets the machine. mov al, feh; out 64h, al; hlt */
const RESTART = [0xb0, 0xfe, 0xe6, 0x64, 0xf4];

const SERVICES: ReadonlyMap<number, readonly number[]> = new Map([
  [0x10, SHOW],
  [0x11, give(EQUIPMENT)],
  [0x12, give(KIB_OF_MEMORY)],
  [0x13, REFUSE],
  [0x15, REFUSE],
  [0x16, NO_KEY],
  [0x1a, TICKS],
]);

function handlerOf(vector: number): readonly number[] {
  if (vector === TIMER) return TICK;
  if (vector >= IRQ_BASES[0] && vector < IRQ_BASES[0] + 8) return END_FIRST;
  if (vector >= IRQ_BASES[1] && vector < IRQ_BASES[1] + 8) return END_BOTH;
  return SERVICES.get(vector) ?? IRET;
}

/** Puts vectors, data and code where a BIOS has them. Throws MachineError naming what is there already. */
export function placeBios(plan: LoadPlan): void {
  const low = new DataView(new ArrayBuffer(LOW_END));
  const code = new Uint8Array(CODE_SIZE);
  const places = new Map<readonly number[], number>();
  let free = 0;
  for (let vector = 0; vector < VECTORS; vector++) {
    const handler = handlerOf(vector);
    let at = places.get(handler);
    if (at === undefined) {
      at = free;
      places.set(handler, at);
      code.set(handler, at);
      free += handler.length;
    }
    low.setUint16(4 * vector, CODE + at, true);
    low.setUint16(4 * vector + 2, SEGMENT, true);
  }
  code.set(RESTART, RESET - CODE);
  for (const [i, port] of SERIAL_PORTS.entries()) low.setUint16(DATA_AREA + 2 * i, port, true);
  low.setUint16(DATA_AREA + 0x0e, EXTENDED_DATA, true);
  low.setUint16(DATA_AREA + 0x10, EQUIPMENT, true);
  low.setUint16(DATA_AREA + 0x13, KIB_OF_MEMORY, true);
  plan.place({ name: "the BIOS's vectors and data", address: 0, bytes: new Uint8Array(low.buffer) });
  plan.place({ name: "the BIOS", address: 16 * SEGMENT + CODE, bytes: code });
}

/** What a BIOS leaves on: timer, keyboard and cascade; of the second one all but clock, mouse and disks. */
const MASKS = [0xf8, 0x2e] as const;

/** Programs the 8259s, and the timer for 18.2 interrupts a second. */
export function startLegacyInterrupts(ports: PortBus): void {
  const out = (port: number, ...bytes: readonly number[]) => {
    for (const byte of bytes) ports.write(port, 1, byte);
  };
  // Channel 0, both bytes, square wave: 65536.
  out(0x43, 0x36);
  out(0x40, 0, 0);
  // After that, for which the timer's output is high already: that is no interrupt.
  for (const [i, base] of IRQ_BASES.entries()) {
    const command = 0x20 + 0x80 * i;
    // Two of them, ICW4; the vectors; how they are connected; 8086 mode.
    out(command, 0x11);
    out(command + 1, base, i === 0 ? 0x04 : 0x02, 0x01, MASKS[i]!);
  }
}
