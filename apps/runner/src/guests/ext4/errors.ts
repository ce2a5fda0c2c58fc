export type Ext4ErrorCode = "NoSpace" | "BadSize" | "BadName";

/** The tree cannot become a file system of the size asked for. */
export class Ext4Error extends Error {
  readonly code: Ext4ErrorCode;

  constructor(code: Ext4ErrorCode, message: string) {
    super(message);
    this.name = "Ext4Error";
    this.code = code;
  }
}
