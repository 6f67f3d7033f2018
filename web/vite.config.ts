import { defineConfig } from 'vite';

// The built files are committed in the server's crate, so that building Hilum needs no Node.
const api = process.env.HILUM_URL ?? 'http://127.0.0.1:4180';

export default defineConfig({
  build: {
    outDir: '../crates/room/assets',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // data: URLs in scripts or styles would need a weaker policy
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { '/api': api, '/dicom-web': api, '/healthz': api } },
});
