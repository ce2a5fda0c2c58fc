import type { PeVCpu } from "@hypercraft/arch-arm";
import { VirtMachine } from "../virt/machine.js";

/** An arm-virt machine, ready to run. */
export class ArmVirtMachine extends VirtMachine<PeVCpu> {}
