import type { NamedBytes, VirtHost, VirtOptions } from "../virt/options.js";
import type { AddressMapName } from "./address-map.js";

/** What a riscv-virt machine is made of. */
export interface RiscvVirtOptions extends VirtOptions {
  readonly map?: AddressMapName;
  /** M-mode firmware (OpenSBI's fw_jump or fw_dynamic); bare mode only. */
  readonly firmware?: NamedBytes;
}

/** What of a machine is the host's and so not in a snapshot. */
export type RiscvVirtHost = VirtHost;
