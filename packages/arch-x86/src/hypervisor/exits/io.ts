import type { DeviceWidth } from "@hypercraft/hypercraft";

/** The exit qualification of an I/O instruction: SDM volume 3, table 28-5. */
export interface IoQualification {
  readonly width: DeviceWidth;
  readonly input: boolean;
  /** INS or OUTS. */
  readonly string: boolean;
  readonly port: number;
}

export function ioQualification(qualification: number): IoQualification {
  return {
    width: ((qualification & 7) + 1) as DeviceWidth,
    input: (qualification & 8) !== 0,
    string: (qualification & 16) !== 0,
    port: qualification >>> 16,
  };
}
