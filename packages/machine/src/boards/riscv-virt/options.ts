import type { BoardOptions, HostParts } from "../common/options.js";
import type { AddressMapName } from "./address-map.js";

/** What a riscv-virt machine is made of. Its firmware is of M-mode: OpenSBI's fw_jump or fw_dynamic. */
export interface RiscvVirtOptions extends BoardOptions {
  readonly map?: AddressMapName;
}

/** What of a machine is the host's and so not in a snapshot. */
export type RiscvVirtHost = HostParts;
