import type { InterruptMessage } from "./message.js";

/** What of a local APIC its being addressed depends on. */
export interface Addressee {
  readonly id: number;
  /** x2APIC mode. */
  readonly extended: boolean;
  /** LDR and DFR. */
  readonly logicalDestination: number;
  readonly destinationFormat: number;
}

const FLAT = 0xf;
const CLUSTERS = 0;

/** LDR in x2APIC mode: cluster and bit, from the ID. */
export const extendedLogicalId = (id: number): number => ((id >>> 4) << 16) | (1 << (id & 15));

/** Whether a message's destination names a local APIC: SDM volume 3, 11.6.2. */
export function isAddressed(apic: Addressee, { logical, destination, wide }: InterruptMessage): boolean {
  if (destination === (wide ? 0xffff_ffff : 0xff)) return true;
  if (!logical) return destination === (apic.extended || wide ? apic.id : apic.id & 0xff);
  const own = apic.logicalDestination;
  if (apic.extended) return destination >>> 16 === own >>> 16 && (destination & own & 0xffff) !== 0;
  const mda = destination & 0xff;
  const mine = own >>> 24;
  const model = apic.destinationFormat >>> 28;
  if (model === FLAT) return (mda & mine) !== 0;
  if (model !== CLUSTERS) return false;
  // 15 is all of them.
  return (mda >> 4 === mine >> 4 || mda >> 4 === 15) && (mda & mine & 15) !== 0;
}
