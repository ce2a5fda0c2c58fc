import type { PeVCpu } from "@hypercraft/arch-arm";
import { BoardMachine } from "../common/machine.js";

/** An arm-virt machine, ready to run. */
export class ArmVirtMachine extends BoardMachine<PeVCpu> {}
