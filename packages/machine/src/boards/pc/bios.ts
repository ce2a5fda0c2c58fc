import type { LoadPlan } from "../../loaders/plan.js";
import type { PortBus } from "../../memory/port-bus.js";

// What a BIOS leaves to what it starts (IBM PS/2 and PC BIOS Interface Technical Reference): vectors of real mode, its
// data area, the 8259s and the timer at work. Its services are few: there is no screen, keyboard or disk to serve.

const VECTORS = 256;
const DATA_AREA = 0x400;
/** Vectors and data together. */
const LOW_END = 0x500;
const SEGMENT = 0xf000;
const SEGMENT_SIZE = 0x1_0000;
/** Offset in that segment of the code; it ends with the code of the reset vector. */
const CODE = 0xfe00;
const CODE_SIZE = 0x200;
const RESET = 0xfff0;
const START_AT = 0xff80;
/** Extended data: the last KiB below the video memory. */
const EXTENDED_DATA = 0x9fc0;
const KIB_OF_MEMORY = 639;
/** A floating-point unit, a screen of 80 columns with colours, two serial ports. */
const EQUIPMENT = 0x0422;
/** The screen's mode, its columns, and the port of its CRTC. */
const SCREEN = { mode: 3, columns: 80, port: 0x3d4 } as const;
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

/**
 * Where processors start after INIT, and programs by a jump. The code that CMOS memory has for that, which is read and
 * cleared, says what is wanted (IBM AT Technical Reference, "BIOS", SHUT5 and SHUTA): to go on at the address at 0040:0067,
 * or else to start the machine anew.
 */
const START = [
  // cli; mov al, 0fh; out 70h, al; in al, 71h; mov bl, al; the same with out 71h, 0
  ...[0xfa, 0xb0, 0x0f, 0xe6, 0x70, 0xe4, 0x71, 0x88, 0xc3, 0xb0, 0x0f, 0xe6, 0x70, 0xb0, 0, 0xe6, 0x71],
  // xor ax, ax; mov ds, ax; cmp bl, 0ah; je resume; cmp bl, 5; jne anew
  ...[0x31, 0xc0, 0x8e, 0xd8, 0x80, 0xfb, 0x0a, 0x74, 11, 0x80, 0xfb, 0x05, 0x75, 10],
  // The ends of interrupts that were interrupted. mov al, 20h; out a0h, al; out 20h, al
  ...[0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20],
  // resume: jmp far [467h]
  ...[0xff, 0x2e, 0x67, 0x04],
  // anew: the chip set resets the system. mov dx, cf9h; mov al, 2; out dx, al; mov al, 6; out dx, al; hlt
  ...[0xba, 0xf9, 0x0c, 0xb0, 2, 0xee, 0xb0, 6, 0xee, 0xf4],
];
/** jmp START */
const RESET_CODE = [0xe9, (START_AT - RESET - 3) & 0xff, ((START_AT - RESET - 3) >> 8) & 0xff];

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
  placeStart(code, SEGMENT_SIZE - CODE_SIZE);
  for (const [i, port] of SERIAL_PORTS.entries()) low.setUint16(DATA_AREA + 2 * i, port, true);
  low.setUint16(DATA_AREA + 0x0e, EXTENDED_DATA, true);
  low.setUint16(DATA_AREA + 0x10, EQUIPMENT, true);
  low.setUint16(DATA_AREA + 0x13, KIB_OF_MEMORY, true);
  low.setUint8(DATA_AREA + 0x49, SCREEN.mode);
  low.setUint16(DATA_AREA + 0x4a, SCREEN.columns, true);
  low.setUint16(DATA_AREA + 0x63, SCREEN.port, true);
  plan.place({ name: "the BIOS's vectors and data", address: 0, bytes: new Uint8Array(low.buffer) });
  plan.place({ name: "the BIOS", address: 16 * SEGMENT + CODE, bytes: code });
}

/** Puts the code that processors start with at its offsets in the segment; `target` is that from `offset` on. */
function placeStart(target: Uint8Array, offset: number): void {
  target.set(START, START_AT - offset);
  target.set(RESET_CODE, RESET - offset);
}

/** Bytes of the ROM of a board without firmware. */
export const BIOS_ROM_SIZE = 0x1000;

/** That ROM, which ends at 4 GiB: what processors find after INIT, whose CS is another one, but with the same offsets. */
export function biosRom(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  placeStart(bytes, SEGMENT_SIZE - size);
  return bytes;
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
