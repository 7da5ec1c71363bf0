//! Render: a sheet to bytes, by each renderer. Counts rows of a chargeback by day, project and model.

use crate::books;
use divan::Bencher;
use divan::counter::ItemsCount;
use tokenbook::books::statement::reports::Request;
use tokenbook::render;
use tokenbook::report::by::Dimension;

#[divan::bench(sample_count = 30, args = render::RENDERERS.iter().map(|renderer| renderer.name))]
fn chargeback(bencher: Bencher<'_, '_>, name: &str) {
    let folder = books::folder();
    let by = books::ready(Dimension::list("day,department,project,model"));
    let request = Request { by, ..Request::of(books::period()) };
    let sheet = books::ready(books::full_ledger(folder.path()).report("chargeback", &request));
    let renderer = books::ready(render::named(name).ok_or("there is no such renderer"));
    bencher.counter(ItemsCount::new(sheet.rows.len())).bench_local(|| {
        let mut bytes = Vec::new();
        books::ready((renderer.render)(&sheet, &mut bytes));
        bytes
    });
}
