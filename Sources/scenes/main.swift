import Commands

Program.run(ScenesCommand.self)
