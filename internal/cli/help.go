package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/internal/guide"
)

// helpCommand returns the command help. It knows the commands, and the articles of the guide, as a
// server shows them at /docs.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND…|TOPIC|guide [TOPIC]|search WORD…]",
		Short: "Help about a command, or an article of the guide",
		Long: `Prints the help of a command, or an article of the guide, which a server also
shows at /docs. Without an argument, lists the commands. "help guide" lists the
articles, and "help search" finds words in them.

Where a command has the name of an article, "help guide TOPIC" is the article.`,
		Example: `  claviger help keys create
  claviger help best-practices
  claviger help search overlap`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return completeHelp(cmd.Root(), args), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error { return help(cmd, args) },
	}
}

// help prints what the arguments name.
func help(cmd *cobra.Command, args []string) error {
	found, _, err := cmd.Root().Find(args)
	switch {
	case err == nil && found.Name() != "help":
		found.InitDefaultHelpFlag()
		err = found.Help()
		if a, ok := guide.Load().Article(found.Name()); err == nil && ok && found.Parent() == cmd.Root() {
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "\nThe guide has an article: claviger help guide %s\n", a.ID)
		}
		return err
	case err == nil: // help help
		return cmd.Help()
	case args[0] == "search":
		return searchGuide(cmd.OutOrStdout(), args[1:])
	case args[0] == "guide" && len(args) == 1:
		return listArticles(cmd.OutOrStdout())
	case args[0] == "guide":
		args = args[1:]
	}
	a, ok := guide.Load().Article(args[0])
	if !ok || len(args) > 1 {
		return fmt.Errorf("there is no command or article %q. List the commands with `claviger help`, and the "+
			"articles with `claviger help guide`", strings.Join(args, " "))
	}
	_, err = io.WriteString(cmd.OutOrStdout(), a.Source)
	return err
}

// listArticles lists the articles by category.
func listArticles(w io.Writer) error {
	for _, c := range guide.Load().Categories {
		if _, err := fmt.Fprintf(w, "%s:\n", c.Title); err != nil {
			return err
		}
		for _, a := range c.Articles {
			if _, err := fmt.Fprintf(w, "  %-18s %s\n", a.ID, a.Title); err != nil {
				return err
			}
		}
	}
	return nil
}

// searchGuide lists the sections that a search finds.
func searchGuide(w io.Writer, words []string) error {
	hits := guide.Load().Search(words, 10)
	if len(hits) == 0 {
		return fmt.Errorf("no article has these words. List the articles with `claviger help guide`")
	}
	if hits[0].Partial {
		if _, err := fmt.Fprint(w, "No section has all of these words. These have some of them.\n\n"); err != nil {
			return err
		}
	}
	for _, h := range hits {
		_, err := fmt.Fprintf(w, "%s: %s\n  %s\n  claviger help guide %s\n",
			h.Article.Title, h.Section.Title, h.Excerpt, h.Article.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

// completeHelp returns what can follow the arguments of help.
func completeHelp(root *cobra.Command, args []string) (names []string) {
	cmd, _, err := root.Find(args)
	if err == nil {
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				names = append(names, c.Name()+"\t"+c.Short)
			}
		}
	}
	if len(args) == 0 {
		names = append(names, "guide\tThe articles of the guide", "search\tFind words in the guide")
	}
	if len(args) == 0 || len(args) == 1 && args[0] == "guide" {
		for _, a := range guide.Load().Articles() {
			names = append(names, a.ID+"\t"+a.Title)
		}
	}
	return names
}
