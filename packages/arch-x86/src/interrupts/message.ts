/** What an interrupt message asks for: SDM volume 3, 11.6.1, bits 10:8 of ICR. 3 is reserved. */
export const DeliveryMode = {
  fixed: 0,
  lowestPriority: 1,
  smi: 2,
  nmi: 4,
  init: 5,
  startUp: 6,
  extInt: 7,
} as const;

/** A message between local APICs, I/O APICs and devices (MSI). */
export interface InterruptMessage {
  /** A `DeliveryMode`. */
  readonly mode: number;
  readonly vector: number;
  /** Level-triggered: its end is broadcast to the I/O APICs. */
  readonly level: boolean;
  /** The destination names processors by LDR and DFR instead of by APIC ID. */
  readonly logical: boolean;
  readonly destination: number;
  /** The destination has 32 bits, as in x2APIC mode; otherwise 8. */
  readonly wide: boolean;
}

const bits = (value: number, at: number, count: number): number =>
  Math.floor(value / 2 ** at) & ((1 << count) - 1);

/** A write to the message address range, 0xfee0_0000 to 0xfeef_ffff: SDM volume 3, 11.11. */
export function messageSignaled(address: number, data: number): InterruptMessage {
  return {
    mode: bits(data, 8, 3),
    vector: bits(data, 0, 8),
    level: bits(data, 15, 1) === 1,
    // The redirection hint (bit 3) asks for the logical mode that bit 2 tells of.
    logical: bits(address, 2, 1) === 1,
    destination: bits(address, 12, 8),
    wide: false,
  };
}
