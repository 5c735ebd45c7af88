'use strict';
(() => {
  const { bins, level, start, steps, genuine, impostor } = JSON.parse(document.getElementById('explorer-data').textContent);
  const root = document.querySelector('.explorer');
  const slider = document.getElementById('threshold');
  const field = document.getElementById('cosine');
  const buttons = [...root.querySelectorAll('button')];
  const views = [...root.querySelectorAll('[data-view]')].map((view) => ({
    kind: view.dataset.view,
    cursor: view.querySelector('.cursor'),
    x: axis(view.querySelector('svg').dataset.x),
    y: axis(view.querySelector('svg').dataset.y),
  }));
  let current = start;

  /* Maps a value to user units as in the page's figures; values beyond an end are placed on that end. */
  function axis(text) {
    const [kind, ...numbers] = text.split(' ');
    const [lower, upper, from, to] = numbers.map(Number);
    return (value) => {
      const place = kind === 'log' ? Math.log10(Math.max(value, Number.MIN_VALUE)) : value;
      return from + (to - from) * Math.min(1, Math.max(0, (place - lower) / (upper - lower)));
    };
  }

  /* Format numbers as in the rest of the page. */
  const decimals = (rate) => (rate === 0 || rate >= 1e-3 ? 2 : 1 - Math.floor(Math.log10(100 * rate)));
  const percent = (rate) => `${(100 * rate).toFixed(decimals(rate))}%`;
  const complement = (rate) => `${(100 * (1 - rate)).toFixed(decimals(rate))}%`;
  const count = (n) => n.toLocaleString('en-US');
  const rounded = (n) => count(Number(n.toPrecision(3)));
  const cosine = (point) => ((2 * steps[point]) / bins - 1).toFixed(4);
  /* A rate without an error is shown as its exact binomial bound, as in the threshold table. */
  const bound = (n) => -Math.expm1(Math.log(1 - level) / n);

  function show(point) {
    current = point;
    const [genuinePairs, impostorPairs] = [genuine[0], impostor[0]];
    const [accepted, matched] = [genuine[point], impostor[point]];
    const missed = genuinePairs - accepted;
    const fmr = matched / impostorPairs;
    const fnmr = missed / genuinePairs;
    const threshold = cosine(point).replace('-', '−');
    const readout = {
      threshold,
      true_accepts: count(accepted),
      false_rejects: count(missed),
      false_accepts: count(matched),
      true_rejects: count(impostorPairs - matched),
      tar: accepted === 0 ? `≤ ${percent(bound(genuinePairs))}` : missed === 0 ? `≥ ${complement(bound(genuinePairs))}` : complement(fnmr),
      fnmr: missed === 0 ? `≤ ${percent(bound(genuinePairs))}` : percent(fnmr),
      fmr: matched === 0 ? `≤ ${percent(bound(impostorPairs))}` : percent(fmr),
      one_in: matched === 0 ? `at most 1 in ${rounded(1 / bound(impostorPairs))}` : `about 1 in ${rounded(1 / fmr)}`,
    };
    for (const place of root.querySelectorAll('[data-readout]')) place.textContent = readout[place.dataset.readout];
    for (const { kind, cursor, x, y } of views) {
      const [across, up] = { cosine: [Number(cosine(point)), Infinity], roc: [fmr, 100 * (1 - fnmr)], det: [fmr, fnmr] }[kind];
      cursor.setAttribute('transform', `translate(${x(across).toFixed(1)} ${y(up).toFixed(1)})`);
    }
    for (const button of buttons) button.setAttribute('aria-pressed', Number(button.dataset.point) === point);
    slider.value = point;
    slider.setAttribute('aria-valuetext', `${threshold}, FMR ${readout.fmr}, FNMR ${readout.fnmr}`);
  }

  function nearest(value) {
    let best = 0;
    for (let point = 1; point < steps.length; point++) {
      if (Math.abs((2 * steps[point]) / bins - 1 - value) < Math.abs((2 * steps[best]) / bins - 1 - value)) best = point;
    }
    return best;
  }

  const settle = () => { field.value = cosine(current); };
  const choose = (point) => { show(Math.min(steps.length - 1, Math.max(0, point))); settle(); };
  slider.addEventListener('input', () => choose(Number(slider.value)));
  /* The views follow while a number is typed; the field is only rewritten once the input is complete. */
  field.addEventListener('input', () => { if (Number.isFinite(field.valueAsNumber)) show(nearest(field.valueAsNumber)); });
  field.addEventListener('change', settle);
  field.addEventListener('keydown', (event) => {
    const move = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (move) { event.preventDefault(); choose(current + move); }
  });
  for (const button of buttons) button.addEventListener('click', () => choose(Number(button.dataset.point)));
  for (const hidden of root.querySelectorAll('[hidden]')) hidden.hidden = false;
  choose(start);
})();
