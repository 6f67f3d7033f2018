import { describe, expect, it } from 'vitest';
import { route, studyPath } from './router';

describe('addresses', () => {
  it('of studies go there and back, whatever the uid', () => {
    for (const uid of ['1.2.840.1', 'sha256-ab', 'odd/uid?&#%']) expect(route(studyPath(uid))).toEqual({ page: 'study', uid });
  });
  it('of pages', () =>
    expect(['/', '/bench', '/bench/gate', '/models/x', '/audit'].map((p) => route(p).page)).toEqual([
      'worklist',
      'bench',
      'bench',
      'models',
      'audit',
    ]));
  it('that are none', () =>
    expect(['/study', '/study/a/b', '/nowhere', '/audit/x', '/%E0%A4%A'].map((p) => route(p).page)).toEqual([
      'unknown',
      'unknown',
      'unknown',
      'unknown',
      'unknown',
    ]));
});
