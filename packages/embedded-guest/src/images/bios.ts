// Made by guests/build.mjs from guests/prebuilt/bios.bin: the same bytes in base64.

export const bios = `
+vwxwI7YZg8BFoiADyDADAEPIsBm6hyAAAAIALgQAAAAjtiOwI7gjuiO0LwAgAAAugAAIACJ1rkACAAAgT4CsK0bdQ6LRgSNmAKwrRsDXgh0
CIPGBEl15OsKqQAAAQB0A4tWHLgCsK0ru5CAAAD/4gAAAAAAAAAA//8AAACbzwD//wAAAJPPABcAcIAAAJCQAAAAAA==
`;
