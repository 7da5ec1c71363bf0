//! Phrases that no document and no message may have.

/// Phrases that a reader has to decode. Use the field's own verbs instead: report, show, list, detect, rebuild.
pub(crate) const DECODED: &str = "anew|for certain|is told|are told|was told|were told|not told|told by|told apart|tells of|\
                       that of|those of|what is there|what there is|as it is|as one makes|whoever|the very same|\
                       what became of|what becomes of|what comes of|is no matter|there alike|was there already|\
                       were there already|is there already|stands there|stand there|told from|to be told|tells which|\
                       is said of|are said of|what is said|known for one|but for its|but for their|as it stands|\
                       as they stand|as it lay|takes the place of|took the place of|hears of|hear of|whose it is|\
                       none are left|else than|unasked|by a slip|as ever";
