import Charts
import Formatting

/// Where the runs come from: when, by what, on what, at what cost; and what differs between them.
struct RunSection {
  let runs: [PageRun]

  var section: PageSection {
    PageSection(
      id: "runs", title: "Runs and their differences", short: "Runs",
      introduction: runs.contains { $0.facts.sessions.isEmpty }
        ? "Logs of older versions do not record when, by what and on what machine a run was trained."
        : "", content: table + origins + differences)
  }

  /// Those of priors apart from those of others, with which they share few settings.
  private var differences: String {
    let (priors, others) = (runs.priors, runs.others)
    guard !priors.isEmpty, !others.isEmpty else { return differences(runs, of: "") }
    return differences(
      others, of: others.allSatisfy(\.isTokenizer) ? " of the tokenizers" : " of the other runs")
      + differences(priors, of: " of the priors")
  }

  private var table: String {
    let columns: [(title: String, cell: (RunFacts) -> String)] = [
      ("started", { Self.date($0.sessions.first?.time) }),
      ("last resumed", { $0.sessions.count > 1 ? Self.date($0.sessions.last?.time) : "–" }),
      ("version", { $0.sessions.last { $0.version != nil }?.version ?? "–" }),
      ("processor", { $0.sessions.last { $0.cpu != nil }?.cpu ?? "–" }),
      (
        "computed by",
        { facts in
          let lanes = facts.number("lanes") ?? facts.setting("training.lanes").flatMap { Int($0) }
          let parts = [
            (facts.number("cores"), "core"), (facts.number("threads"), "thread"), (lanes, "lane"),
          ]
          let words = parts.compactMap { count, noun in
            count.map { "\($0) \(noun)\($0 == 1 ? "" : "s")" }
          }
          return words.isEmpty ? "–" : words.joined(separator: ", ")
        }
      ),
      ("seed", { $0.setting("training.seed") ?? "–" }),
      ("data", { $0.setting("data.train") ?? $0.setting("data.tokens") ?? "–" }),
      ("training images", { Self.count($0.trainingImages) }),
      ("validation images", { Self.count($0.number("validationImages")) }),
      ("image size", { $0.setting("data.imageSize") ?? "–" }),
      ("batch", { $0.setting("training.batchSize") ?? "–" }),
      (
        "learning rate",
        {
          let rate = $0.setting("training.optimizer.learningRate") ?? "–"
          return ($0.setting("training.schedule.type").map { "\(rate) \($0)" }) ?? rate
        }
      ),
      ("steps", { Display.count($0.steps) }),
      (
        "epochs",
        {
          $0.clock.epochs.last.map { NumberText.decimals($0.value, $0.value < 100 ? 1 : 0) } ?? "–"
        }
      ),
      ("training time", { $0.seconds.map(Self.duration) ?? "–" }),
      ("parameters", { Self.count($0.parameters) }),
      (
        "best PSNR",
        { facts in
          facts.best.map {
            "\(NumberText.decimals($0.psnr, 2)) dB at step \(Display.count($0.step))"
          } ?? "–"
        }
      ),
    ]
    var table = RunTable(caption: "Where each run comes from")
    // What is known of no run takes no room.
    let shown = columns.filter { column in
      runs.contains { run in
        column.cell(run.facts) != "–"
      }
    }
    table.columns = shown.map(\.title)
    table.textColumns = [
      "started", "last resumed", "version", "processor", "computed by", "data", "learning rate",
      "best PSNR",
    ]
    table.rows = runs.map { run in (run, shown.map { $0.cell(run.facts) }) }
    return table.html
  }

  /// What weights a run was initialized from, and settings that resumptions changed.
  private var origins: String {
    let items = runs.flatMap { run in
      run.facts.sessions.flatMap { session -> [String] in
        var words: [String] = []
        if !session.origin.isEmpty {
          let origin = session.origin.map { key, value in
            let shown = PrivatePath.shown(value)
            return ["from", "folder"].contains(key) ? shown : "\(key) \(shown)"
          }
          words.append("initialized from \(origin.joined(separator: ", "))")
        }
        if !session.changes.isEmpty {
          let changes = session.changes.map {
            "\($0.key) \(PrivatePath.scrubbed($0.old, folders: [])) → "
              + PrivatePath.scrubbed($0.new, folders: [])
          }
          words.append(
            "at step \(Display.count(session.step)) resumed with "
              + changes.joined(separator: ", "))
        }
        let (gone, new) = (
          session.numbers["changedImages.missing"] ?? 0, session.numbers["changedImages.new"] ?? 0
        )
        if gone + new > 0 {
          words.append(
            "at step \(Display.count(session.step)) resumed on other images: "
              + "\(Display.count(gone)) missing, \(Display.count(new)) new")
        }
        return words.map {
          "<li><b class=\"name r\(run.index)\">\(Markup.escaped(run.name))</b>: "
            + "\(Markup.escaped($0))</li>"
        }
      }
    }
    return items.isEmpty ? "" : "<ul class=\"words\">\(items.joined())</ul>"
  }

  /// The settings that differ between runs of one kind, and folded all of them.
  private func differences(_ runs: [PageRun], of what: String) -> String {
    let known = runs.filter { !$0.facts.settings.isEmpty }
    guard !known.isEmpty else { return "" }
    let different = RunFacts.differences(known.map(\.facts))
    var keys: [String] = []
    for run in known {
      for setting in run.facts.settings where !keys.contains(setting.key) {
        keys.append(setting.key)
      }
    }
    let all = keys.map { key in (key: key, values: known.map { $0.facts.setting(key) }) }
    let folded = PageSection.folded(
      known.count > 1 ? "All settings\(what)" : "Settings of \(known[0].name)",
      Self.settings(known, all, caption: "All settings"))
    guard known.count > 1 else { return folded }
    guard !different.isEmpty else {
      return PageSection.absence(
        "The configurations\(what.isEmpty ? " of the runs" : what) are equal.") + folded
    }
    return "<h3 class=\"sub\">Different settings\(what)</h3>"
      + Self.settings(known, different, caption: "All other settings are equal") + folded
  }

  /// A table of settings, a row each, a column a run.
  private static func settings(
    _ runs: [PageRun], _ rows: [(key: String, values: [String?])], caption: String
  ) -> String {
    let head = runs.map {
      "<th scope=\"col\" class=\"name text r\($0.index)\">\(Markup.escaped($0.name))</th>"
    }.joined()
    let body = rows.map { key, values in
      "<tr><th scope=\"row\" class=\"text\">\(Markup.escaped(key))</th>"
        + zip(runs, values).map { run, value in
          "<td class=\"text r\(run.index)\">\(value.map(Markup.escaped) ?? "–")</td>"
        }.joined() + "</tr>"
    }.joined()
    return "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"\(caption)\">"
      + "<table class=\"key grid-table\"><caption>\(caption)</caption>"
      + "<thead><tr><th scope=\"col\" class=\"text\">setting</th>\(head)</tr></thead>"
      + "<tbody>\(body)</tbody></table></div>"
  }

  private static func count(_ value: Int?) -> String { value.map(Display.count) ?? "–" }

  /// `2026-11-29T10:20:30Z` as `2026-11-29 10:20`.
  static func date(_ text: String?) -> String {
    guard let text else { return "–" }
    return String(text.prefix(16)).replacing("T", with: " ")
  }

  /// Seconds as `2 h 05 min`, `3 min 20 s` or `45 s`.
  static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "–" }
    let whole = Int(seconds.rounded())
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
    func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
    if hours > 0 { return "\(hours) h \(two(minutes)) min" }
    return minutes > 0 ? "\(minutes) min \(two(rest)) s" : "\(rest) s"
  }
}

/// How the numbers were made.
struct ProtocolSection {
  let comparison: Comparison

  var section: PageSection {
    let own = [
      (
        "curves",
        "from each run's log up to the step of its weights; in long series the lowest and highest "
          + "point of every interval are drawn, so that no spike is lost. Smoothing is an exponential "
          + "moving average over the drawn points, without bias at its start."
      ),
      (
        "hours",
        "of training alone, without evaluation and saving; if a log lacks it, from its "
          + "images per second."
      ),
      (
        "collapse",
        "its step is the first from which a diagnostic stays beyond its limit; a median of three "
          + "ignores single outliers. The limits are fixed and the same for all runs."
      ),
      (
        "error by scale",
        "brightness of images and errors in octaves: what means of 2x2, 4x4, ... pixels remove; the "
          + "error's energy over the image's, summed over the set."
      ),
    ]
    let statements =
      (comparison.evaluationProtocol?.statements ?? []) + comparison.priorStatements
      + (comparison.tabled.isEmpty ? Array(own.prefix(2)) : own)
    let items = statements.map { key, words in
      "<dt>\(Markup.escaped(key))</dt><dd>\(Markup.escaped(words))</dd>"
    }.joined()
    return PageSection(
      id: "protocol", title: "How this was measured", short: "How measured",
      content: "<dl>\(items)</dl>")
  }
}
