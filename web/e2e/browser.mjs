import { existsSync } from 'node:fs';
import axe from 'axe-core';
import { chromium } from 'playwright-core';

export function executable() {
  const found = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
    (p) => p && existsSync(p),
  );
  if (!found) throw new Error('no Chromium: set CHROMIUM or install it (apt install chromium)');
  return found;
}

/** Test machines have no graphics card: pages are put together by the processor, and WebGL2 is imitated for whoever insists. */
export const launch = () =>
  chromium.launch({
    executablePath: executable(),
    args: [
      '--headless=new',
      '--no-sandbox',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-gpu-compositing',
      '--use-angle=swiftshader',
      '--enable-unsafe-swiftshader',
    ],
  });

/** Serious and critical faults by axe-core, as lines. The policy forbids foreign scripts, so it goes in through the debugger. */
export async function faults(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations
    .filter((v) => v.impact === 'serious' || v.impact === 'critical')
    .map(
      (v) =>
        `${v.impact} ${v.id}: ${v.nodes
          .slice(0, 3)
          .map((n) => `${n.target.join(' ')} (${n.failureSummary?.split('\n')[1]?.trim()})`)
          .join('; ')}`,
    );
}
