export { Ext4Error, type Ext4ErrorCode } from "./errors.js";
export { type Ext4Image, type Ext4Options, ext4Image } from "./image.js";
