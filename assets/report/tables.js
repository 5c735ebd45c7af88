'use strict';
(() => {
  for (const table of document.querySelectorAll('table[data-sortable]')) {
    const body = table.tBodies[0];
    const key = (row, column) => row.cells[column].dataset.key ?? '';
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = heading.textContent;
      heading.replaceChildren(button);
      button.addEventListener('click', () => {
        const ascending = heading.getAttribute('aria-sort') !== 'ascending';
        headings.forEach((other) => other.removeAttribute('aria-sort'));
        heading.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
        const number = heading.classList.contains('number');
        const rows = [...body.rows].sort((a, b) => {
          const [x, y] = [key(a, column), key(b, column)];
          /* What has no value stays last. */
          if (x === '' || y === '') return (x === '') - (y === '');
          const order = number ? Number(x) - Number(y) : x.localeCompare(y);
          return ascending ? order : -order;
        });
        body.append(...rows);
      });
    });
    const label = document.createElement('label');
    const field = document.createElement('input');
    const shown = document.createElement('output');
    field.type = 'search';
    field.autocomplete = 'off';
    label.append('Only rows with ', field);
    const controls = document.createElement('p');
    controls.className = 'controls';
    controls.append(label, shown);
    table.parentElement.before(controls);
    field.addEventListener('input', () => {
      const words = field.value.toLowerCase().split(/\s+/);
      let fitting = 0;
      for (const row of body.rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        fitting += !row.hidden;
      }
      shown.textContent = `${fitting} of ${body.rows.length}`;
    });
  }

  /* The command to compare the runs that are ticked, the first one as the reference. */
  const command = document.querySelector('[data-compare] code');
  const options = command?.textContent.match(/ --.*$/)?.[0] ?? '';
  const ticked = [];
  for (const row of command ? document.querySelectorAll('tr[data-run]') : []) {
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.autocomplete = 'off';
    box.setAttribute('aria-label', `compare ${row.dataset.run}`);
    row.cells[0].prepend(box, ' ');
    box.addEventListener('change', () => {
      const at = ticked.indexOf(row.dataset.run);
      if (at >= 0) ticked.splice(at, 1);
      if (box.checked) ticked.push(row.dataset.run);
      if (ticked.length >= 2) command.textContent = `facevault compare ${ticked.join(' ')}${options}`;
    });
  }
})();
